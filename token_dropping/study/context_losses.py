# SPDX-License-Identifier: Apache-2.0
"""Losses of the same masked tokens in windows of several lengths.

Shapes: B records, S sequence length, C length of a window, W windows of a
record, N = B x W windows, P predictions.
"""

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping.common import vocabulary
from token_dropping.data.batches import pretrain_data
from token_dropping.study import context_windows
from token_dropping.study import text_losses
from token_dropping.training import trained_run

# Of one call of the network, which bounds memory.
TOKENS = 8192


class Network:
  """A run's network, and the losses of masked tokens in what it is shown."""

  def __init__(self, run: trained_run.TrainedRun, attends_within: bool):
    self._model = run.build_dropping()
    special = run.vocabulary.special_ids
    self._sep_id = special[vocabulary.SEP]
    self._attends_within = attends_within

  def documents(self, ids: np.ndarray) -> np.ndarray:
    """Numbers what tokens see: documents, or the whole sequence; [B, S]."""
    if not self._attends_within:
      return np.zeros_like(ids)
    return pretrain_data.document_ids(tf.constant(ids), self._sep_id).numpy()

  def predict(self, inputs: dict, labels: np.ndarray) -> np.ndarray:
    """Returns losses in nats and hits of `labels` [N, P]: [2, N, P].

    `inputs` are `input_word_ids`, `input_mask` and `input_type_ids`, [N, C],
    and `masked_lm_positions`, [N, P].
    """
    ids = inputs["input_word_ids"]
    size, found = max(1, TOKENS // ids.shape[1]), []
    for start in range(0, len(ids), size):
      some = slice(start, start + size)
      batch = {name: tf.constant(inputs[name][some]) for name in inputs}
      if self._attends_within:
        batch["document_ids"] = tf.constant(self.documents(ids[some]))
      logits = self._model(batch, training=False)["mlm_logits"]
      logits = tf.cast(logits, tf.float32)
      wanted = labels[some]
      losses = tf_keras.losses.sparse_categorical_crossentropy(
        wanted, logits, from_logits=True
      )
      hits = tf.argmax(logits, -1, wanted.dtype) == wanted
      found.append(np.stack([losses.numpy(), hits.numpy()]))
    return np.concatenate(found, axis=1)


def of_batch(
  network: Network, batch: dict, contexts: list[int], distance: int
) -> np.ndarray:
  """Returns, of the masked tokens N of a batch, a table [1 + 2 contexts, N].

  The first row says which have their only twin farther than `distance`; then
  come losses and hits for each of the contexts.
  """
  ids = text_losses.unmasked(batch)
  lengths = batch["input_mask"].sum(axis=1)
  positions = batch["masked_lm_positions"]
  # A window has [CLS] and [SEP] at its ends.
  used = (batch["masked_lm_weights"] > 0) & (positions > 0)
  used &= positions < lengths[:, None] - 1
  shown = batch["input_word_ids"]
  rows = [
    context_windows.has_far_twin(
      ids, shown, network.documents(shown), positions, distance
    ).astype(np.float32)
  ]
  for context in contexts:
    rows += list(_in_windows(network, batch, lengths, used, context))
  return np.stack([row[used] for row in rows])


def _in_windows(
  network: Network,
  batch: dict,
  lengths: np.ndarray,
  used: np.ndarray,
  context: int,
) -> np.ndarray:
  """Predicts each token in the window that it is nearest to: [2, B, P]."""
  ids, positions = batch["input_word_ids"], batch["masked_lm_positions"]
  firsts = context_windows.starts(lengths, context, ids.shape[1])
  where = lengths, firsts, context
  windows, mask = context_windows.cut(ids, *where)
  types, _ = context_windows.cut(batch["input_type_ids"], *where)
  chosen = context_windows.nearest(firsts, context, positions)  # [B, P]
  of_window = chosen[:, None] == np.arange(firsts.shape[1])[:, None]
  of_window &= used[:, None]  # [B, W, P]
  # As few slots as the fullest window needs, which are not many sizes.
  slots = 1 << int(of_window.sum(axis=-1).max(initial=1) - 1).bit_length()
  order = np.argsort(~of_window, axis=-1, kind="stable")[..., :slots]
  places = np.take_along_axis(positions[:, None], order, axis=-1)
  places = np.clip(places - firsts[..., None], 0, context - 1)
  labels = np.take_along_axis(batch["masked_lm_ids"][:, None], order, axis=-1)

  inputs = {
    "input_word_ids": windows,
    "input_mask": mask,
    "input_type_ids": types,
    "masked_lm_positions": places,
  }
  flat = {name: _flat(values) for name, values in inputs.items()}
  found = network.predict(flat, _flat(labels)).reshape(2, *order.shape)
  results = np.zeros([2, *of_window.shape], np.float32)
  for result, values in zip(results, found, strict=True):
    np.put_along_axis(result, order, values, axis=-1)
  return (results * of_window).sum(axis=2)


def _flat(values: np.ndarray) -> np.ndarray:
  return values.reshape(-1, values.shape[-1]).astype(np.int32)
