# SPDX-License-Identifier: Apache-2.0
"""Tests of the tokenizer: above all, ids equal those of other BERTs."""

import random
import unicodedata

import pytest
import tensorflow as tf
import tokenizers
from official.nlp.tools import tokenization

from tests import testing
from tests import tokenizer_testing
from token_dropping.common import vocabulary
from token_dropping.data.text import random_text
from token_dropping.data.text import tokenizer
from token_dropping.data.text import tokenizer_config


@pytest.fixture(scope="module")
def strings() -> list[str]:
  return random_text.make_strings(1)


@pytest.fixture(scope="module")
def vocab(strings) -> vocabulary.Vocabulary:
  return tokenizer_testing.make_vocabulary(strings)


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


@pytest.mark.parametrize("config", tokenizer_testing.CONFIGS)
def test_ids_are_hugging_faces(strings, vocab, config):
  config = tokenizer_config.TokenizerConfig(*config)
  own = tokenizer.Tokenizer(vocab, config).tokenize(tf.constant(strings))
  own = own.to_list()
  known = sum(len(set(ids) - {1}) for ids in own)
  assert known > 4 * len(strings)
  theirs = _hugging_face(vocab, config).encode_batch(
    strings, add_special_tokens=False
  )
  tokenizer_testing.assert_same(strings, own, [other.ids for other in theirs])


def test_served_ids_are_the_same(tmp_path, strings, vocab):
  config = tokenizer_config.TokenizerConfig()
  own = tokenizer.Tokenizer(vocab, config).tokenize(tf.constant(strings))
  tf.saved_model.save(Served(vocab, config), str(tmp_path / "saved"))
  (tmp_path / "saved").rename(tmp_path / "elsewhere")
  loaded = tf.saved_model.load(str(tmp_path / "elsewhere"))
  served = loaded.signatures["serving_default"](tf.constant(strings))
  tokens = tf.RaggedTensor.from_row_lengths(served["flat"], served["lengths"])
  tokenizer_testing.assert_same(strings, own.to_list(), tokens.to_list())


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_ids_are_model_gardens(tmp_path, vocab, do_lower_case):
  strings = random_text.make_strings(
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
  tokenizer_testing.assert_same(strings, own.to_list(), theirs)


@pytest.mark.parametrize("seq_length", [5, 6, 9, 12, None])
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
    assert {name: v.numpy().tolist() for name, v in inputs.items()} == {
      "input_word_ids": [other.ids for other in theirs],
      "input_mask": [other.attention_mask for other in theirs],
      "input_type_ids": [other.type_ids for other in theirs],
    }


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


def test_ids_do_not_depend_on_the_language_of_the_machine():
  """Its language is asked for at the first use, so one import does."""
  script = (
    "import os\n"
    "import tensorflow as tf\n"
    "from token_dropping.data.text import text_normalizer, tokenizer_config\n"
    "config = tokenizer_config.TokenizerConfig(strip_accents=False)\n"
    "for language in ('tr_TR.UTF-8', 'lt_LT.UTF-8'):\n"
    "  if os.fork():\n"
    "    os.wait()\n"
    "    continue\n"
    "  os.environ['LC_ALL'] = language\n"
    f"  text = text_normalizer.normalize(tf.constant([{'I İ Ì'!a}]), config)\n"
    "  print(ascii(text.numpy()[0].decode()), flush=True)\n"
    "  os._exit(0)\n"
  )
  lines = testing.run_script(script).splitlines()
  assert lines == [ascii("i i\u0307 \u00ec")] * 2


def test_vocabulary_of_special_tokens_is_refused():
  vocab = vocabulary.Vocabulary(vocabulary.SPECIAL_TOKENS)
  config = tokenizer_config.TokenizerConfig()
  assert testing.refused(tokenizer.Tokenizer, vocab, config) == (
    "the vocabulary must hold pieces of words besides the special tokens "
    "(those learned occur twice in the training documents). Received: 5 tokens"
  )


SPACES = "\t\r\x0b\x0c\x1c\x1f\x85 \xa0\u1680\u2003\u2028\u2029\u202f\u3000"
NO_WORDS = [
  *SPACES,
  *(form for c in SPACES for form in (f"##{c}", f"a{c}", f"{c}a", f"a{c}b")),
  *("", "\0", "\x01", "\x015", "\x7f", "\xad", "\u200b", "\ufeff", "\ue000"),
  *("a" * 101, "b" * 300, "##" + "b" * 300),
  *("##", "#", "###", "a-b", "-a", "a-", "--", "##-", "中文", "a中", "##中"),
]


@pytest.mark.parametrize("config", tokenizer_testing.CONFIGS)
def test_tokens_that_are_no_words(tmp_path, config):
  """Line 344 of `bert-base-chinese` is U+2028, which no text has as a word.

  Tokens are read from a `vocab.txt`, as by `BertTokenizerFast`.
  """
  config = tokenizer_config.TokenizerConfig(*config)
  pieces = ("a", "b", "b", "##a", "##b", "-", "中", *NO_WORDS)
  tokens = (*vocabulary.SPECIAL_TOKENS, *pieces)
  path = testing.write_vocabulary(tmp_path / "vocab.txt", tokens)
  vocab = vocabulary.Vocabulary.from_file(path)
  reference = _hugging_face(vocab, config)
  reference.model = tokenizers.models.WordPiece.from_file(
    path, unk_token=vocabulary.UNK
  )
  rng = random.Random(4)
  parts = [*NO_WORDS, *"ab -中\n", "a" * 101]
  rows = [rng.choices(parts, k=rng.randint(1, 6)) for _ in range(3000)]
  strings = ["".join(part.removeprefix("##") for part in row) for row in rows]
  strings += ["a b \u2028a", *NO_WORDS]
  own = tokenizer.Tokenizer(vocab, config).tokenize(tf.constant(strings))
  encodings = reference.encode_batch(strings, add_special_tokens=False)
  theirs = [encoding.ids for encoding in encodings]
  tokenizer_testing.assert_same(strings, own.to_list(), theirs)


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
  texts = [tf.constant(["a"])] * segments
  assert testing.refused(_small().encode, texts, seq_length) == message
