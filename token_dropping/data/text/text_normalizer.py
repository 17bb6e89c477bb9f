# SPDX-License-Identifier: Apache-2.0
"""Normalizes text as BERT does, with TensorFlow operations alone.

BERT (Devlin et al., 2018, arXiv 1810.04805) removes control characters and, if
asked to, accents and case. The result is that of Hugging Face's
`BertNormalizer`; TensorFlow Text's fold compatibility characters too ("²" into
"2"). Most English strings are ASCII but for quotes and dashes and need no more
than a lower case, so the rest is done to the others only.
"""

import tensorflow as tf
import tensorflow_text as tf_text

from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config

_MAX_WORD = vocabulary.MAX_WORD
# A noncharacter, so in no text; stands for a word that is too long.
TOO_LONG = "\U0010ffff"

# ASCII, and the dashes, quotes and dots of print, which stay as they are.
_MARK = r"[!-~\x{2010}-\x{2027}]"
_PLAIN = (
  rf"{_MARK}{{0,{_MAX_WORD}}}(?:[ \t\n\r]+{_MARK}{{1,{_MAX_WORD}}})*[ \t\n\r]*"
)
# RE2's `.` lets surrogates and numbers above U+10FFFF pass.
_VALID = r"[\x00-\x{D7FF}\x{E000}-\x{10FFFF}]*"
_REMOVED = (
  r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\p{Cf}\p{Co}\x{FFFD}\x{10FFFF}]+"
)
# What ends a word. RE2 is fast with the frequent ones only, which are enough
# to find the few strings that may hold a word that is too long.
_FREQUENT = (
  r"\s!-/:-@\[-`{-~\x{2010}-\x{2027}\x{3000}-\x{3002}\x{4E00}-\x{9FFF}"
)
_ALL = (
  rf"{_FREQUENT}\p{{Z}}\p{{P}}\x{{3400}}-\x{{4DBF}}\x{{F900}}-\x{{FAFF}}"
  r"\x{20000}-\x{2A6DF}\x{2A700}-\x{2CEAF}\x{2F800}-\x{2FA1F}"
)
_SHORT_WORDS = (
  rf"[^{_FREQUENT}]{{0,{_MAX_WORD}}}"
  rf"(?:[{_FREQUENT}][^{_FREQUENT}]{{0,{_MAX_WORD}}})*"
)
# `tf.strings.lower` makes two letters of this one, by its place in the word.
_BY_PLACE = {"\u03a3": "\u03c3"}  # sigma
# And with accents, these depend on the language that the machine is set to.
_BY_LANGUAGE = {
  "\u0130": "i\u0307",
  "\u00cc": "\u00ec",
  "\u00cd": "\u00ed",
  "\u0128": "\u0129",
  "\u012e": "\u012f",
}


def normalize(
  strings: tf.Tensor, config: tokenizer_config.TokenizerConfig
) -> tf.Tensor:
  """Returns text that a splitter at spaces and punctuation can work on.

  It removes bytes not UTF-8; a word longer than `vocabulary.MAX_WORD` becomes
  U+10FFFF.

  >>> config = tokenizer_config.TokenizerConfig()
  >>> normalize(tf.constant(["Café\u200b №5"]), config).numpy()[0].decode()
  'cafe №5'
  """
  if config.do_lower_case:
    strings = tf.strings.lower(strings)  # ASCII only, very fast
  plain = tf.strings.regex_full_match(strings, _PLAIN)
  return _change(strings, ~plain, lambda text: _normalize_unicode(text, config))


def _normalize_unicode(
  strings: tf.Tensor, config: tokenizer_config.TokenizerConfig
) -> tf.Tensor:
  valid = tf.strings.regex_full_match(strings, _VALID)
  strings = _change(strings, ~valid, _remove_invalid)
  strings = tf.strings.regex_replace(strings, _REMOVED, "")
  if config.strips_accents:
    strings = tf_text.normalize_utf8(strings, "NFD")
    strings = tf.strings.regex_replace(strings, r"\p{Mn}+", "")
  if config.do_lower_case:
    strings = _lower(strings, config.strips_accents)
  short = tf.strings.regex_full_match(strings, _SHORT_WORDS)
  return _change(strings, ~short, _replace_long_words)


def _lower(strings: tf.Tensor, stripped: bool) -> tf.Tensor:
  special = _BY_PLACE if stripped else _BY_PLACE | _BY_LANGUAGE
  for upper, lower in special.items():
    strings = tf.strings.regex_replace(strings, upper, lower)
  return tf.strings.lower(strings, encoding="utf-8")


def _remove_invalid(strings: tf.Tensor) -> tf.Tensor:
  return tf.strings.unicode_transcode(
    strings, "UTF-8", "UTF-8", errors="ignore"
  )


def _replace_long_words(strings: tf.Tensor) -> tf.Tensor:
  spaced = tf.strings.regex_replace(strings, f"([{_ALL}])", r" \1 ")
  words = tf.strings.split(spaced)
  lengths = tf.strings.length(words.flat_values, unit="UTF8_CHAR")
  kept = tf.where(lengths > _MAX_WORD, TOO_LONG, words.flat_values)
  return tf.strings.reduce_join(
    words.with_flat_values(kept), axis=-1, separator=" "
  )


def _change(strings: tf.Tensor, where: tf.Tensor, function) -> tf.Tensor:
  """Applies a function to some of the strings; calls it if there are any."""
  rows = tf.where(where)

  def change():
    changed = function(tf.gather_nd(strings, rows))
    return tf.tensor_scatter_nd_update(strings, rows, changed)

  return tf.cond(tf.size(rows) > 0, change, lambda: strings)
