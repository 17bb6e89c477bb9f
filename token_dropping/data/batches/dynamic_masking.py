# SPDX-License-Identifier: Apache-2.0
"""Chooses and hides the tokens to predict, in the input pipeline.

The rule of `masking.Masker` (BERT, section 3.1, task 1) on batches of tensors.
TensorFlow's stateless random functions take one seed for a whole tensor: a
record's numbers would depend on its row. Here number i of a record is a hash of
its key and i (SplitMix64: Steele, Lea and Flood, OOPSLA 2014).
Glossary: B batch, S sequence length, P predictions, k candidates.
"""

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import vocabulary

UNITS = ("token", "whole_word", "span")
# Streams of random numbers.
_ORDER, _ACTION, _REPLACEMENT = range(3)
# Passes over the words that are left, for those that fit what is left.
_FILL_PASSES = 2
GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: spreads out the counters


class DynamicMasker:
  """Hides tokens at random, the same ones for the same seed, epoch and record.

  Of the tokens that are not special, n = `max(1, round(rate * tokens))`, at
  most P, are chosen. By whole word, words are taken in random order as long as
  they fit into n; a word that does not fit is passed over. Only where no word
  fits is one split: its first n pieces are taken. By span, the order is that of
  spans of 1 to `max_span_words` words with random start and length, and a span
  that does not fit is cut after a word. Spans never cross a special token.
  """

  def __init__(self, vocab: vocabulary.Vocabulary, data: cfg.DataConfig):
    self._data = data
    self._slots = data.max_predictions_per_seq
    self._by_token = data.masking_unit == "token"
    self._span = data.max_span_words if data.masking_unit == "span" else 1
    special = vocab.special_ids
    self._pad_id = special[vocabulary.PAD]
    self._mask_id = special[vocabulary.MASK]
    self._special_ids = sorted(special.values())
    self._ordinary_ids = np.setdiff1d(
      np.arange(len(vocab), dtype=np.int32), self._special_ids
    )

  @tf.autograph.experimental.do_not_convert  # seconds, and nothing to convert
  def mask(
    self,
    word_ids: tf.Tensor,
    word_starts: tf.Tensor,
    rate: tf.Tensor | float,
    epoch: tf.Tensor | int = 0,
    type_ids: tf.Tensor | None = None,
  ) -> dict[str, tf.Tensor]:
    """Masks a batch, padded, [B, S]; `word_starts` are 1 where a word starts.

    `rate`, in (0, 1), is the share to predict; `epoch` is a scalar or [B]; no
    `type_ids` means zeros. Returns `input_word_ids`, `input_mask` and
    `input_type_ids`, [B, S] int32; `masked_lm_positions` (ascending) and
    `masked_lm_ids`, [B, P] int32; and `masked_lm_weights`, [B, P] float32, all
    0 in slots that are not used.
    """
    word_ids = tf.cast(word_ids, tf.int32)
    if type_ids is None:
      type_ids = tf.zeros_like(word_ids)
    keys = record_keys(word_ids, self._data.masking_seed, epoch)
    positions = self._choose(word_ids, word_starts, keys, rate)
    used = positions < word_ids.shape[1]
    # One more column, for the slots that are not used to write to.
    padded = tf.pad(word_ids, [(0, 0), (0, 1)])
    ids = tf.gather(padded, positions, batch_dims=1)
    padded = _write(padded, positions, self._hide(ids, positions, keys))
    return {
      "input_word_ids": padded[:, :-1],
      "input_mask": tf.cast(word_ids != self._pad_id, tf.int32),
      "input_type_ids": tf.cast(type_ids, tf.int32),
      "masked_lm_positions": tf.where(used, positions, 0),
      "masked_lm_ids": tf.where(used, ids, 0),
      "masked_lm_weights": tf.cast(used, tf.float32),
    }

  def _choose(self, word_ids, word_starts, keys, rate) -> tf.Tensor:
    """Returns [B, P] ascending positions, S in slots that are not used."""
    length = word_ids.shape[1]
    maskable = self._is_maskable(word_ids)
    number = self._count(maskable, rate)
    if self._by_token:
      scores = self._scores(keys, tf.range(length)[None])
      order = _random_order(scores, maskable, self._slots)
      taken = tf.range(self._slots) < number
    else:
      starts = _word_starts(word_starts, maskable)
      scores = self._scores(keys, self._word_numbers(starts, maskable))
      # Beyond P, for words that are passed over.
      order = _random_order(scores, maskable, min(length, 2 * self._slots))
      offsets, sizes = _places_in_words(starts, maskable, order)
      taken = _take_words(offsets, sizes, number)
    chosen = tf.where(taken, order, length)
    return -tf.math.top_k(-chosen, self._slots).values

  def _is_maskable(self, word_ids: tf.Tensor) -> tf.Tensor:
    maskable = tf.ones_like(word_ids, tf.bool)
    for special in self._special_ids:
      maskable &= word_ids != special
    return maskable

  def _count(self, maskable: tf.Tensor, rate) -> tf.Tensor:
    """Returns n, [B, 1] int32."""
    tokens = _count_true(maskable)
    wanted = tf.round(tf.cast(rate, tf.float64) * tf.cast(tokens, tf.float64))
    wanted = tf.maximum(1, tf.cast(wanted, tf.int32))
    return tf.minimum(tf.minimum(wanted, self._slots), tokens)

  def _word_numbers(self, starts, maskable) -> tf.Tensor:
    """Numbers the words so that no span reaches over a special token."""
    steps = tf.where(maskable, tf.cast(starts, tf.int32), self._span)
    return tf.cumsum(steps, axis=1) + self._span

  def _scores(self, keys: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Returns a random score for every unit, [B, S] int32.

    A span of random length starts at every word. A word has the highest score
    of its spans: where some overlap, the one drawn earlier takes it.
    """
    best = random_bits(keys, _ORDER, numbers, bits=31)
    # The low bits choose the length, the others the order.
    for distance in range(1, self._span):
      scores = random_bits(keys, _ORDER, numbers - distance, bits=31)
      reaches = scores % self._span >= distance
      best = tf.maximum(best, tf.where(reaches, scores, 0))
    return best

  def _hide(self, ids, positions, keys) -> tf.Tensor:
    """Returns what the chosen tokens become, [B, P] int32."""
    draw = random_bits(keys, _ACTION, positions, bits=24)
    index = random_bits(keys, _REPLACEMENT, positions, bits=31)
    index %= len(self._ordinary_ids)
    mask_share, random_share = self._data.mask_share, self._data.random_share
    masked_below = round(mask_share * 2**24)
    changed_below = round((mask_share + random_share) * 2**24)
    random_ids = tf.gather(self._ordinary_ids, index)
    hidden = tf.where(draw < changed_below, random_ids, ids)
    return tf.where(draw < masked_below, self._mask_id, hidden)


def _random_order(scores, maskable, count: int) -> tf.Tensor:
  """[B, count] positions: best first, ties in order, unmaskable ones last."""
  return tf.math.top_k(tf.where(maskable, scores, -1), count).indices


def _word_starts(word_starts, maskable) -> tf.Tensor:
  """Returns where words, or what packing left of one, start: [B, S] bool."""
  before = tf.pad(maskable[:, :-1], [(0, 0), (1, 0)])
  return maskable & ((tf.cast(word_starts, tf.int32) > 0) | ~before)


def _places_in_words(starts, maskable, order) -> tuple[tf.Tensor, tf.Tensor]:
  """Places in words, and sizes of words, huge if not maskable, each [B, k]."""
  rows, length = tf.shape(starts)[0], starts.shape[1]
  words = tf.cumsum(tf.cast(starts, tf.int32), axis=1)  # 1 for the first
  flat = words + (length + 1) * tf.range(rows)[:, None]
  pieces = tf.cast(maskable, tf.int32)
  sizes = tf.math.unsorted_segment_sum(pieces, flat, (length + 1) * rows)
  sizes = tf.reshape(sizes, [rows, length + 1])
  places = tf.cumsum(pieces, axis=1, exclusive=True)
  words = tf.gather(words, order, batch_dims=1)
  first_places = tf.cumsum(sizes, axis=1, exclusive=True)
  offsets = tf.gather(places, order, batch_dims=1) - tf.gather(
    first_places, words, batch_dims=1
  )
  is_word = tf.gather(maskable, order, batch_dims=1)
  sizes = tf.gather(sizes, words, batch_dims=1)
  return offsets, tf.where(is_word, sizes, length + 1)


def _take_words(offsets, sizes, number) -> tf.Tensor:
  """Takes at most `number` [B, 1] pieces, word by word; returns [B, k] bool."""
  index = tf.range(offsets.shape[1])[None]
  ends = index - offsets + sizes
  complete = ends <= offsets.shape[1]  # The last word may be cut off.
  taken = ends <= number
  for _ in range(_FILL_PASSES):
    left = number - _count_true(taken)
    fits = ~taken & complete & (sizes <= left)
    ends = tf.cumsum(tf.cast(fits, tf.int32), axis=1) - 1 - offsets + sizes
    taken |= fits & (ends <= left)
  nothing = _count_true(taken) == 0
  return taken | (nothing & (index < number))


def _count_true(values) -> tf.Tensor:
  return tf.reduce_sum(tf.cast(values, tf.int32), axis=1, keepdims=True)


def _write(rows, columns, values) -> tf.Tensor:
  """Returns `rows` with `values` at `columns` of every row."""
  row = tf.broadcast_to(tf.range(tf.shape(rows)[0])[:, None], tf.shape(columns))
  return tf.tensor_scatter_nd_update(
    rows, tf.stack([row, columns], axis=-1), values
  )


def record_keys(word_ids: tf.Tensor, seed: int, epoch: tf.Tensor) -> tf.Tensor:
  """Keys, [B] uint64, from seed, epoch (scalar or [B]) and content, [B, S]."""
  places = np.arange(1, word_ids.shape[1] + 1, dtype=np.uint64)
  with np.errstate(over="ignore"):
    factors = _mix(places * np.uint64(GOLDEN))
  content = tf.reduce_sum(tf.cast(word_ids, tf.uint64) * factors, axis=1)
  # The epoch goes through the hash with the seed, so that epoch 1 of seed 0
  # is not epoch 0 of seed 1.
  start = _mix(tf.constant(seed % 2**64, tf.uint64)) + tf.cast(epoch, tf.uint64)
  return _mix(content + _mix(start))


def random_bits(
  keys: tf.Tensor, stream: int, counters: tf.Tensor, bits: int
) -> tf.Tensor:
  """Returns uniform integers in [0, 2**bits), [B, n] int32, `bits` at most 31.

  `counters`, [B, n] or [1, n] from 0 on, choose from independent streams.
  """
  counters = tf.cast(counters, tf.uint64) + np.uint64((stream << 32) + 1)
  numbers = _mix(keys[:, None] + counters * np.uint64(GOLDEN))
  return tf.cast(_shift(numbers, 64 - bits), tf.int32)


def _mix(x):
  """Returns a bijection of uint64 in which every bit depends on all."""
  x = (x ^ _shift(x, 30)) * np.uint64(0xBF58476D1CE4E5B9)
  x = (x ^ _shift(x, 27)) * np.uint64(0x94D049BB133111EB)
  return x ^ _shift(x, 31)


def _shift(x, places: int):
  if isinstance(x, np.ndarray):
    return x >> np.uint64(places)
  return tf.bitwise.right_shift(x, np.uint64(places))
