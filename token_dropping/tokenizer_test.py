# SPDX-License-Identifier: Apache-2.0
"""Tests of the tokenizer: above all, ids equal those of other BERTs.

The random text leaves out what BERT's implementations read differently:

- characters that Python does not know, or that `tokenizers` (whose tables are
  those of Unicode 8) takes for another category than Python;
- U+2B820 to U+2B91F, rare Chinese characters, which `tokenizers` does not
  set apart from their neighbours;
- for Model Garden only: a capital sigma, whose lower case depends on its place
  there, and private use, which is removed elsewhere; words above 100
  characters are read as such for it too.
"""

import os
import random
import subprocess
import sys
import unicodedata

import pytest
import tensorflow as tf
import tokenizers
from official.nlp.tools import tokenization

from token_dropping import errors
from token_dropping import tokenizer
from token_dropping import tokenizer_config
from token_dropping import vocabulary
from token_dropping.data import wordpiece

STRINGS = 6000
CONFIGS = [(True, None), (True, False), (False, None), (False, True)]

# First and last code point, and how often: an idea of what may go wrong.
BLOCKS = {
  "ASCII letters": (0x61, 0x7A, 30),
  "ASCII capitals": (0x41, 0x5A, 10),
  "ASCII": (0x00, 0x7F, 15),
  "spaces": (0x20, 0x20, 15),
  "Latin": (0x80, 0x24F, 20),
  "combining marks": (0x300, 0x36F, 8),
  "Greek": (0x370, 0x3FF, 8),
  "Cyrillic": (0x400, 0x52F, 5),
  "Hebrew, Arabic": (0x590, 0x6FF, 6),
  "Devanagari to Tibetan": (0x900, 0xFFF, 5),
  "Thai": (0xE00, 0xE5B, 5),
  "Jamo": (0x1100, 0x11FF, 2),
  "Latin, Greek additions": (0x1E00, 0x1FFF, 10),
  "spaces, punctuation, format": (0x2000, 0x206F, 10),
  "symbols": (0x2070, 0x2BFF, 5),
  "CJK punctuation, kana": (0x3000, 0x30FF, 5),
  "CJK compatibility": (0x3200, 0x33FF, 2),
  "CJK": (0x4E00, 0x9FA5, 8),
  "CJK A": (0x3400, 0x4DB5, 1),
  "CJK B": (0x20000, 0x2A6D6, 1),
  "CJK compatibility ideographs": (0xF900, 0xFAFF, 2),
  "Hangul": (0xAC00, 0xD7A3, 5),
  "private use": (0xE000, 0xF8FF, 1),
  "forms, byte order mark, U+FFFD": (0xFB00, 0xFFFD, 3),
  "mathematical letters": (0x1D400, 0x1D7FF, 2),
  "emoji": (0x1F300, 0x1F64F, 3),
  "anything": (0x1, 0x10FFFD, 5),
}
WHOLE = [
  "ΟΔΟΣ", "İstanbul", "\u0131I", "Straße", "ﬁ", "e\u0301", "\u00e9", "²", "…",
  "Ⅷ", "👩\u200d👩\u200d👧", "\u00a0", "\u3000", "\u2028", "\u202eabc\u202c",
  "ﷺ", "[MASK]", "[SEP]", "##a", "don't", "1,234.5", "ก็", "한국어", "東京",
  "a" * 100, "a" * 101, "é" * 100, "é" * 101, "д" * 60, "ก" * 120, "한" * 50,
  "e\u0301" * 100, "a" * 60 + "," + "b" * 60, "a" * 90 + "中" + "b" * 90,
  "a" * 70 + "»" + "é" * 70, "\u200b" * 50 + "b" * 90, "Ì", "Į\u0303", "ΣΣ",
]  # fmt: skip


def _is_disputed(character: str) -> bool:
  """Says whether Python and `tokenizers` disagree about a character."""
  category = unicodedata.category(character)
  if category in ("Cn", "Cs") or 0x2B820 <= ord(character) <= 0x2B91F:
    return True
  split = tokenizers.pre_tokenizers.BertPreTokenizer().pre_tokenize_str(
    f"a{character}b"
  )
  strip = tokenizers.normalizers.StripAccents()
  return (
    not character.isascii() and (len(split) == 3) != category.startswith("P")
  ) or (not strip.normalize_str(character)) != (category == "Mn")


def _make_strings(seed: int, skip) -> list[str]:
  rng = random.Random(seed)
  ranges = [(first, last) for first, last, _ in BLOCKS.values()]
  weights = [weight for _, _, weight in BLOCKS.values()]
  disputed = {}
  strings = [text for text in WHOLE if not any(map(skip, text))]

  def draw() -> str:
    if rng.random() < 0.02:
      return rng.choice(strings[: len(WHOLE)])
    character = chr(rng.randint(*rng.choices(ranges, weights)[0]))
    if character not in disputed:
      disputed[character] = _is_disputed(character) or skip(character)
    return "" if disputed[character] else character

  whole = list(strings)
  for _ in range(STRINGS):
    strings.append("".join(draw() for _ in range(rng.randint(0, 40))))
  assert len(whole) > 20
  return strings


@pytest.fixture(scope="module")
def strings() -> list[str]:
  return _make_strings(1, lambda character: False)


@pytest.fixture(scope="module")
def vocab(strings) -> vocabulary.Vocabulary:
  """Frequent characters, and pairs of letters, in any case, with accents."""
  rng = random.Random(2)
  text = "".join(strings)
  text += unicodedata.normalize("NFD", text.lower()) + text.lower()
  drawn = sorted(set(rng.sample(text, 30_000)))
  characters = [c for c in drawn if unicodedata.category(c)[0] not in "CZ"]
  letters = [c for c in drawn if unicodedata.category(c)[0] in "LMN"]
  pairs = {"".join(rng.choices(letters, k=2)) for _ in range(2000)}
  pieces = [*characters, *sorted(pairs), "abc", "don", "Stra", "ss"]
  # What starts a word does not always go on one: some words are unknown.
  pieces += ["##" + piece for piece in pieces if rng.random() < 0.8]
  tokens = dict.fromkeys([*vocabulary.SPECIAL_TOKENS, *pieces])
  return vocabulary.Vocabulary(tuple(tokens))


def _hugging_face(vocab, config) -> tokenizers.Tokenizer:
  """Put together as `BertTokenizerFast` does."""
  ids = {token: i for i, token in enumerate(vocab.tokens)}
  made = tokenizers.Tokenizer(
    tokenizers.models.WordPiece(ids, unk_token=vocabulary.UNK)
  )
  made.normalizer = tokenizers.normalizers.BertNormalizer(
    lowercase=config.do_lower_case, strip_accents=config.strip_accents
  )
  made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
  made.post_processor = tokenizers.processors.BertProcessing(
    (vocabulary.SEP, ids[vocabulary.SEP]), (vocabulary.CLS, ids[vocabulary.CLS])
  )
  return made


class Served(tf.Module):
  """What a serving graph does."""

  def __init__(self, vocab, config):
    super().__init__()
    self.tokenizer = tokenizer.Tokenizer(vocab, config)

  @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
  def serve(self, strings):
    tokens = self.tokenizer.tokenize(strings)
    encoded = self.tokenizer.encode([strings, strings], 16)
    return {
      "flat": tokens.flat_values,
      "lengths": tokens.row_lengths(),
      **encoded,
    }


def _assert_same(strings, own, theirs):
  wrong = [
    (text, one, other)
    for text, one, other in zip(strings, own, theirs, strict=True)
    if one != other
  ]
  assert not wrong, f"{len(wrong)} of {len(own)}, such as {wrong[0]!a}"


@pytest.mark.parametrize("config", CONFIGS)
def test_ids_are_the_same_everywhere(tmp_path, strings, vocab, config):
  config = tokenizer_config.TokenizerConfig(*config)
  prepared = [
    document.ids.tolist()
    for document in wordpiece.Encoder(vocab, config).encode(
      [text] for text in strings
    )
  ]
  known = sum(len(set(ids) - {1}) for ids in prepared)
  assert known > 4 * len(strings)

  theirs = _hugging_face(vocab, config).encode_batch(
    strings, add_special_tokens=False
  )
  _assert_same(strings, prepared, [encoding.ids for encoding in theirs])

  tf.saved_model.save(Served(vocab, config), str(tmp_path / "saved"))
  (tmp_path / "saved").rename(tmp_path / "elsewhere")
  loaded = tf.saved_model.load(str(tmp_path / "elsewhere"))
  served = loaded.signatures["serving_default"](tf.constant(strings))
  tokens = tf.RaggedTensor.from_row_lengths(served["flat"], served["lengths"])
  _assert_same(strings, prepared, tokens.to_list())


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_ids_are_model_gardens(tmp_path, vocab, do_lower_case):
  strings = _make_strings(
    3, lambda c: unicodedata.category(c) == "Co" or c == "Σ"
  )
  path = tmp_path / "vocab.txt"
  path.write_text("".join(f"{token}\n" for token in vocab.tokens), "utf-8")
  reference = tokenization.FullTokenizer(str(path), do_lower_case)
  reference.wordpiece_tokenizer.max_input_chars_per_word = 100
  theirs = [
    reference.convert_tokens_to_ids(reference.tokenize(text))
    for text in strings
  ]
  config = tokenizer_config.TokenizerConfig(do_lower_case)
  own = tokenizer.Tokenizer(vocab, config).tokenize(tf.constant(strings))
  _assert_same(strings, own.to_list(), theirs)


@pytest.mark.parametrize("seq_length", [*range(5, 14), None])
def test_inputs_are_hugging_faces(seq_length):
  vocab = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, "a", "b"))
  config = tokenizer_config.TokenizerConfig()
  reference = _hugging_face(vocab, config)
  reference.enable_padding(length=seq_length)
  if seq_length:
    reference.enable_truncation(seq_length, strategy="longest_first")
  numbers = [(i, j) for i in range(13) for j in range(13)]
  firsts = ["a " * i for i, _ in numbers]
  seconds = ["b " * j for _, j in numbers]
  own = tokenizer.Tokenizer(vocab, config)
  for segments, pairs in [
    ([firsts], firsts),
    ([firsts, seconds], list(zip(firsts, seconds, strict=True))),
  ]:
    theirs = reference.encode_batch(pairs)
    inputs = own.encode([tf.constant(text) for text in segments], seq_length)
    assert all(value.dtype == tf.int32 for value in inputs.values())
    for name, attribute in [
      ("input_word_ids", "ids"),
      ("input_mask", "attention_mask"),
      ("input_type_ids", "type_ids"),
    ]:
      expected = [getattr(encoding, attribute) for encoding in theirs]
      assert inputs[name].numpy().tolist() == expected, name


def _small(**config) -> tokenizer.Tokenizer:
  pieces = ("a", "b", "##b", "i", "##i", "ab", "i̇", "ì")
  vocab = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, *pieces))
  return tokenizer.Tokenizer(vocab, tokenizer_config.TokenizerConfig(**config))


@pytest.mark.parametrize(
  "text",
  [
    *(b"a\xffb", b"\xff", b"a\xed\xa0\x80b", b"a\xc0\x80b", b"a\xe4\xb8"),
    *(b"a\xf4\x90\x80\x80b", b"a\xe4\xb8b", b"a\xf0\x9f\x98 b", b"a\x00b"),
    *("a\ufffdb".encode(), b"", b" \n"),
  ],
)
def test_invalid_bytes_are_ignored(text):
  tokens = _small()
  valid = text.decode("utf-8", "ignore").replace("\x00", "").replace("�", "")
  expected = {"ab": [10], "a": [5], "a b": [5, 6]}.get(valid.strip(), [])
  assert tokens.tokenize(tf.constant([text])).to_list() == [expected]


def test_no_strings_have_no_tokens():
  empty = tf.zeros([0], tf.string)
  assert _small().tokenize(empty).to_list() == []
  assert _small().encode([empty], 7)["input_word_ids"].shape == [0, 7]


def test_shapes_are_static_in_a_pipeline():
  data = tf.data.Dataset.from_tensor_slices(["a", "ab b", "İ"]).batch(2)
  data = data.map(lambda strings: _small().encode([strings, strings], 9))
  for spec in data.element_spec.values():
    assert spec.shape.as_list() == [None, 9]
  batches = [batch["input_word_ids"].numpy().tolist() for batch in data]
  assert batches == [
    [[2, 5, 3, 5, 3, 0, 0, 0, 0], [2, 10, 6, 3, 10, 6, 3, 0, 0]],
    [[2, 8, 3, 8, 3, 0, 0, 0, 0]],
  ]


@pytest.mark.parametrize("language", ["tr_TR.UTF-8", "lt_LT.UTF-8"])
def test_ids_do_not_depend_on_the_language_of_the_machine(language):
  text = "I İ Ì"
  script = (
    "import tensorflow as tf\n"
    "from token_dropping import text_normalizer, tokenizer_config\n"
    "config = tokenizer_config.TokenizerConfig(strip_accents=False)\n"
    f"text = text_normalizer.normalize(tf.constant([{text!a}]), config)\n"
    "print(ascii(text.numpy()[0].decode()))\n"
  )
  result = subprocess.run(
    [sys.executable, "-c", script],
    env=os.environ
    | {"LC_ALL": language, "PYTHONPATH": ":".join(filter(None, sys.path))},
    capture_output=True,
    text=True,
    check=True,
  )
  assert result.stdout.strip() == ascii("i i\u0307 \u00ec")


@pytest.mark.parametrize(
  ("pieces", "message"),
  [
    (
      (),
      "the vocabulary must hold pieces of words besides the special tokens "
      "(those learned occur twice in the training documents). Received: 5 "
      "tokens",
    ),
    (("\x00",), "the vocabulary must not hold a NUL. Received: '\\x00'"),
  ],
)
def test_useless_vocabulary_is_refused(pieces, message):
  vocab = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, *pieces))
  with pytest.raises(errors.UserError) as caught:
    tokenizer.Tokenizer(vocab, tokenizer_config.TokenizerConfig())
  assert str(caught.value) == message


@pytest.mark.parametrize(
  ("segments", "seq_length", "message"),
  [
    (0, 9, "segments must be one or two. Received: 0"),
    (3, 9, "segments must be one or two. Received: 3"),
    (1, 2, "seq_length must be at least 3 with 1 segments. Received: 2"),
    (2, 4, "seq_length must be at least 5 with 2 segments. Received: 4"),
  ],
)
def test_wrong_arguments_are_refused(segments, seq_length, message):
  with pytest.raises(errors.UserError) as caught:
    _small().encode([tf.constant(["a"])] * segments, seq_length)
  assert str(caught.value) == message
