# SPDX-License-Identifier: Apache-2.0
"""The signature of a translation: text in, text out."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from token_dropping.serving import graph_checks
from token_dropping.tasks.translation import translator
from token_dropping.training import trained_run

SERVE_TRANSLATE = "serve_translate"


def make_translator(
  run: trained_run.TrainedRun, **decoding
) -> translator.Translator:
  """Returns what translates as a run learnt it; see `build_translation`."""
  return translator.Translator(
    run.build_translation(**decoding),
    run.tokenizer,
    longest=run.task["train_data"]["seq_length"],
  )


class TranslationSignatures:
  """Makes the concrete function of a run."""

  def __init__(self, run: trained_run.TrainedRun):
    self._translator = make_translator(run)

  def folders(self) -> dict[str, dict[str, Callable]]:
    """Returns the signatures of the SavedModel, by its folder's name."""
    text = tf.TensorSpec([None], tf.string, "text")
    function = tf.function(self._translate).get_concrete_function(text=text)
    default = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
    return {"text": {default: function, SERVE_TRANSLATE: function}}

  @property
  def tracked(self) -> dict:
    """What a SavedModel has beside signatures and weights, by name."""
    return {"tokenizer": self._translator.tokenizer}

  def requests(self) -> dict[str, dict[str, np.ndarray]]:
    """Returns a request for each signature."""
    return {SERVE_TRANSLATE: {"text": np.array(["warm up"])}}

  def _translate(self, text) -> dict:
    text = tf.ensure_shape(text, [None])
    valid = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", "ignore")
    holds = tf.reduce_all(valid == text)  # clients cannot show others
    check = graph_checks.require(holds, "text must be UTF-8.", valid)
    text = graph_checks.guarded({"text": text}, [check])["text"]
    return {"text": self._translator.translate(text)}
