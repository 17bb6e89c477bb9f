# SPDX-License-Identifier: Apache-2.0
"""The signatures of a causal language model: text in, text or its cost out.

Requests are checked inside the graph, as those of other models are.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from token_dropping.models.causal import sampling
from token_dropping.serving import graph_checks
from token_dropping.serving import text_generator
from token_dropping.training import trained_run

SERVE_GENERATE, SERVE_SCORE = "serve_generate", "serve_score"
_TEXT = tf.TensorSpec([None], tf.string, "text")
_SCALARS = {
  "max_new_tokens": tf.int32,
  "temperature": tf.float32,
  "top_k": tf.int32,
  "top_p": tf.float32,
  "seed": tf.int64,
}
_WARM_UP = (1, 1.0, 0, 1.0, 0)


class TextSignatures:
  """Makes the concrete functions of a run."""

  def __init__(self, run: trained_run.TrainedRun):
    self._generator = text_generator.TextGenerator(run)

  def folders(self) -> dict[str, dict[str, Callable]]:
    """Returns the signatures of each SavedModel, by its folder's name."""
    scalars = {
      name: tf.TensorSpec([], kind, name) for name, kind in _SCALARS.items()
    }
    generate = tf.function(self._generate)
    generate = generate.get_concrete_function(text=_TEXT, **scalars)
    score = tf.function(self._score).get_concrete_function(text=_TEXT)
    default = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
    functions = {SERVE_GENERATE: generate, SERVE_SCORE: score}
    return {"text": {default: generate} | functions}

  @property
  def tracked(self) -> dict:
    """What a SavedModel has beside signatures and weights, by name."""
    return {"tokenizer": self._generator.tokenizer}

  def requests(self) -> dict[str, dict[str, np.ndarray]]:
    """Returns a request for each signature."""
    text = {"text": np.array(["warm up"])}
    scalars = {
      name: np.array(value, kind.as_numpy_dtype)
      for (name, kind), value in zip(_SCALARS.items(), _WARM_UP, strict=True)
    }
    return {SERVE_GENERATE: text | scalars, SERVE_SCORE: text}

  def _generate(
    self, text, max_new_tokens, temperature, top_k, top_p, seed
  ) -> dict:
    checks = [
      graph_checks.require(holds, f"{name} must be {rule}.", received)
      for name, received, holds, rule in (
        ("max_new_tokens", max_new_tokens, max_new_tokens >= 1, "at least 1"),
        ("temperature", temperature, temperature > 0, "above 0"),
        ("top_k", top_k, top_k >= 0, "0 or more"),
        ("top_p", top_p, (top_p > 0) & (top_p <= 1), "in (0, 1]"),
      )
    ]
    text = self._checked(text, self._generator.max_length - max_new_tokens)
    text = graph_checks.guarded({"text": text}, checks)["text"]
    how = sampling.Sampling(temperature, top_k, top_p, seed)
    return {"text": self._generator.generate(text, max_new_tokens, how)}

  def _score(self, text) -> dict:
    text = self._checked(text, self._generator.max_length)
    return self._generator.score(text)

  def _checked(self, text: tf.Tensor, longest) -> tf.Tensor:
    """Returns text [B] that is checked when read."""
    text = tf.ensure_shape(text, [None])
    counts = self._generator.tokenizer.tokenize(text).row_lengths()
    valid = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", "ignore")
    checks = [
      graph_checks.require(tf.reduce_all(holds), f"text must {rule}.", received)
      for holds, rule, received in (
        (tf.size(text) > 0, "have at least one element", tf.size(text)),
        (tf.strings.length(text) > 0, "not be empty", text),
        (valid == text, "be UTF-8", valid),  # clients cannot show others
        (
          counts <= tf.cast(longest, tf.int64),
          "have no more tokens, with max_new_tokens of generated ones, than "
          f"{self._generator.max_length}",
          counts,
        ),
      )
    ]
    return graph_checks.guarded({"text": text}, checks)["text"]
