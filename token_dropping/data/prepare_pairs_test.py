# SPDX-License-Identifier: Apache-2.0
"""Tests of prepare_pairs: from files of every format to batches of pairs."""

import collections
import functools
import tracemalloc

import numpy as np
import pytest

from tests import prepare_pairs_testing
from tests import prepare_testing
from tests import testing
from token_dropping.data import inspect
from token_dropping.data import prepare_pairs
from token_dropping.data.batches import pair_data
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining.pairs import pair_documents
from token_dropping.data.pretraining.pairs import pair_inputs
from token_dropping.data.text import subword_tokenizer

PAIRS = prepare_pairs_testing.PAIRS
S, T = 40, 48
# Left out, each for another reason.
BAD = {
  "empty_sides": ("A cat .", " "),
  "equal_sides": ("OK", "OK"),
  "duplicate_sources": (PAIRS[0][0], "Etwas anderes ."),
  "too_long_pairs": ("cat " * 50, "Katze " * 30),
  "uneven_pairs": ("cow", "Kuh Kuh Kuh Kuh Kuh"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
  """Folder and `dataset.json` of two aligned files, with pairs left out."""
  folder = tmp_path_factory.mktemp("pairs")
  named = prepare_pairs_testing.text(folder, [*PAIRS, *BAD.values()])
  settings = prepare_pairs_testing.settings(folder / "out", **named)
  return folder / "out", prepare_pairs_testing.run(settings)


def _read(folder, split: str) -> list[tuple[str, str]]:
  """Returns the pairs that the reader gives, as text."""
  config = pair_data.PairDataConfig(
    input_path=f"{folder}/{split}-*",
    seq_length=S,
    target_length=T,
    global_batch_size=1,
    is_training=False,
    drop_remainder=False,
  )
  tokenizer = subword_tokenizer.SubwordTokenizer.from_file(
    f"{folder}/spiece.model"
  )
  pairs = []
  for batch in pair_data.PairDataLoader(config).load():
    texts = []
    for side in pair_data.SIDES:
      numbers = batch[pair_data.segmentation(side)][0]
      ids = [
        batch[side][0][numbers == i] for i in range(1, max(numbers.numpy()) + 1)
      ]
      assert all(one[-1] == subword_tokenizer.END_ID for one in ids)
      texts.append(
        [tokenizer.processor.decode(i.numpy().tolist()) for i in ids]
      )
    pairs += zip(*texts, strict=True)
  return pairs


def test_the_reader_gives_the_pairs_back(made):
  folder, dataset = made
  train, validation = (_read(folder, s) for s in dataset_folder.SPLITS)
  assert collections.Counter(train + validation) == collections.Counter(PAIRS)
  assert len(validation) == dataset["validation"]["pairs"] > 0
  texts = [
    (folder / f"validation.{side}.txt").read_text().splitlines()
    for side in ("source", "target")
  ]
  assert {*zip(*texts, strict=True)} == {*validation}
  # Documents stay whole: of 4 pairs in the order of the files.
  documents = {tuple(PAIRS[i : i + 4]) for i in range(0, len(PAIRS), 4)}
  lines = [*zip(*texts, strict=True)]
  assert {tuple(lines[i : i + 4]) for i in range(0, len(lines), 4)} <= documents


def test_the_card(made):
  folder, dataset = made
  assert dataset_folder.verify(str(folder)) == dataset
  assert dataset["objective"] == "translation"
  assert len([n for n in dataset["files"] if n.startswith("train-")]) > 1
  text, parts = dataset["text"], [dataset[s] for s in dataset_folder.SPLITS]
  counted = text | {
    name: sum(part[name] for part in parts)
    for name in ("too_long_pairs", "uneven_pairs")
  }
  assert {name: counted[name] for name in BAD} == dict.fromkeys(BAD, 1)
  assert text["pairs"] == len(PAIRS) + 3
  for split, part in zip(dataset_folder.SPLITS, parts, strict=True):
    records = prepare_testing.read(folder, split)
    assert part["records"] == part["sequences"] == len(records)
    for side, name in (("source", "inputs"), ("target", "targets")):
      ids = np.stack([record[name] for record in records])
      assert part[f"{side}_tokens"] == np.sum(ids > 0)
      share, real = np.mean(ids == 0), np.sum(ids > 0, -1)
      assert part[f"{side}_padding_share"] == pytest.approx(share)
      found = part[f"{side}_tokens_per_sequence"]
      assert found == pytest.approx(real.mean())
    assert part["unknown_share"] == 0
  train, validation = (
    np.concatenate([r["targets"] for r in prepare_testing.read(folder, split)])
    for split in dataset_folder.SPLITS
  )
  size = dataset["vocab_size"]
  counts = np.bincount(train[train > 0], minlength=size)
  share = (counts + 1) / (counts.sum() + size)
  loss = -np.log(share[validation[validation > 0]]).mean()
  assert dataset["validation"]["unigram_loss"] == pytest.approx(loss)
  said = prepare_pairs.summary(dataset, "out").splitlines()
  assert [line.split(":")[0] for line in said] == (
    ["dataset", "train", "validation", "text", "a guess without context"]
  )


@pytest.mark.slow  # processes import TensorFlow for each of four passes
def test_two_workers_and_other_names_give_the_same_bytes(made, tmp_path):
  folder, _ = made
  named = prepare_pairs_testing.text(tmp_path, [*PAIRS, *BAD.values()])
  settings = prepare_pairs_testing.settings(tmp_path / "out", **named)
  prepare_pairs.prepare(settings, num_workers=2)
  contents = prepare_testing.contents(tmp_path / "out")
  assert contents == prepare_testing.contents(folder)


def test_what_is_ready_is_left_and_a_given_vocabulary_is_used(
  made, tmp_path, capsys
):
  folder, dataset = made
  named = prepare_pairs_testing.text(tmp_path, PAIRS)
  settings = prepare_pairs_testing.settings(
    tmp_path / "out", vocab_file=f"{folder}/spiece.model", **named
  )
  first = prepare_pairs_testing.run(settings)
  assert first["vocab_size"] == dataset["vocab_size"]
  assert "learned" not in capsys.readouterr().out
  assert prepare_pairs_testing.run(settings) == first
  assert "ready" in capsys.readouterr().out


def test_inspection_shows_pairs(made, capsys):
  testing.run_command(inspect, str(made[0]), "--examples=1")
  out = capsys.readouterr().out
  head = "objective translation, seq_length 40, target_length 48, vocab_size "
  assert out.splitlines()[1].startswith(head)
  rows = {line[2:].split("  ")[0] for line in out.splitlines()}
  assert {"pairs", "pairs too long", "target padding"} <= rows
  shown = [line for line in out.splitlines() if " → " in line]
  pairs = {" → ".join(pair) for pair in PAIRS}
  assert shown and {line.strip() for line in shown} <= pairs


@pytest.mark.parametrize(
  ("pairs", "message"),
  [
    (
      [BAD["empty_sides"]] * 2 + [BAD["equal_sides"]],
      "input must hold pairs of en and de, both sides with text and different. "
      "Received: 2 empty sides, 1 equal sides",
    ),
    (
      PAIRS[:4],
      "input must hold at least 2 different documents, 1 for training and 1 "
      "for validation. Received: 1 of at most 4 pairs (see --document_pairs)",
    ),
    (
      [
        (f"{i} {en}", de)
        for i in range(8)
        for en, de in [BAD["too_long_pairs"]]
      ],
      " too long pairs",
    ),
  ],
)
def test_unusable_pairs(tmp_path, pairs, message):
  named = prepare_pairs_testing.text(tmp_path, pairs)
  settings = prepare_pairs_testing.settings(tmp_path / "out", **named)
  assert message in testing.refused(prepare_pairs_testing.run, settings)
  assert not (tmp_path / "out").exists()


def test_a_wrong_vocabulary_is_refused_before_reading(tmp_path, capfd):
  named = prepare_pairs_testing.text(tmp_path, PAIRS)
  settings = prepare_pairs_testing.settings(
    tmp_path / "out", vocab_file=named["source_input"], **named
  )
  message = testing.refused(prepare_pairs_testing.run, settings)
  assert message.startswith("spiece.model must be a SentencePiece model.")
  assert "read:" not in capfd.readouterr().err


def test_memory_is_that_of_a_piece(tmp_path):
  """Of a file of 300 kB with pieces of 8 kB, instead of gigabytes and 10 MB."""
  path = tmp_path / "a.tsv"
  path.write_text("".join(f"a cat {i}\tKatze {i}\n" for i in range(14_000)))
  settings = prepare_pairs_testing.settings(
    "out", input=str(path), piece_bytes=8000
  )
  ((part,),) = pair_inputs.Inputs.find(settings).plan(10**9)
  clean = functools.partial(pair_documents.clean, str(tmp_path), settings, 0)
  clean([part])  # fills caches
  tracemalloc.start()
  result = clean([part])
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert len(result["pieces"]) > 30
  assert peak < path.stat().st_size / 2
