# SPDX-License-Identifier: Apache-2.0
"""Makes a translation dataset on Apache Beam: pairs of sentences -> TFRecords.

    python -m token_dropping.data.prepare_pairs --output_dir=/tmp/pairs \\
        --source_input=news.en --target_input=news.de \\
        --source_language=en --target_language=de

`--input` reads `.tsv`, `.jsonl`, `.tmx`, `.po` and `.mo`; `--tfds_name` a
translation set of TensorFlow Datasets. The folder then holds
`train-*.tfrecord`, `validation-*.tfrecord`, the text of the latter
(`validation.source.txt` and `validation.target.txt`), one SentencePiece
vocabulary of both languages (`spiece.model`), and `dataset.json`, which says
what was made, and what was left out and why.

It works as `token_dropping.data.prepare` does, whose passes it shares: memory
is bounded by a piece, and the dataset depends on the input and the settings
alone. Between reading and counting a pass of its own finds sentences that stood
before (`pairs.copies`).
"""

import functools
from collections.abc import Sequence

from token_dropping.common import errors
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import objectives
from token_dropping.data.pretraining import preparation
from token_dropping.data.pretraining.pairs import copies
from token_dropping.data.pretraining.pairs import pair_documents
from token_dropping.data.pretraining.pairs import pair_shards
from token_dropping.data.pretraining.pairs import pair_statistics
from token_dropping.data.pretraining.pairs import sentence_pieces
from token_dropping.data.pretraining.pairs.pair_inputs import Inputs
from token_dropping.data.pretraining.pairs.pair_settings import PairSettings
from token_dropping.data.text import subword_tokenizer

_OBJECTIVE = objectives.Objective(
  subword_tokenizer.FILE,
  subword_tokenizer.SubwordTokenizer.from_file,
  sentence_pieces.count_words,
  sentence_pieces.learn,
  pair_shards.tools,
  pair_statistics.collect,
  {"objective": dataset_folder.TRANSLATION},
  pair_shards.collect_texts,
)


def prepare(
  settings: PairSettings, num_workers: int = 0, beam_args: Sequence[str] = ()
) -> dict:
  """Makes the dataset, unless it is there already; as `prepare.prepare`.

  Returns the content of `dataset.json`: `format_version`, `settings`,
  `objective`, `vocab_size`, `text` (counters of what was read), `train` and
  `validation` (see `pair_statistics`), and `files`.
  """
  inputs = Inputs.find(settings)
  recorded = settings.recorded() | inputs.recorded()
  make = functools.partial(_make, inputs)
  return preparation.run(
    settings, _OBJECTIVE, recorded, make, num_workers, beam_args
  )


def _make(inputs: Inputs, passes: preparation.Passes) -> dict:
  settings = passes.settings
  pieces, text = passes.read(
    pair_documents.clean, inputs.plan(settings.piece_bytes)
  )
  pair_documents.check_counts(text, settings)
  threshold = passes.threshold(
    pieces,
    at_least=1,
    what=f"of at most {settings.document_pairs} pairs (see --document_pairs)",
  )
  hash_sources = functools.partial(copies.hash_sources, settings.seed)
  passes.run_on_pieces("hash", hash_sources, pieces)
  pieces, text["duplicate_sources"] = copies.mark(pieces)
  return passes.finish(pieces, threshold, text)


def _describe(part: dict) -> str:
  sides = "; ".join(
    f"{part[f'{side}_tokens_per_sequence']:.1f} {side} tokens "
    f"({part[f'{side}_padding_share']:.1%} padding)"
    for side in ("source", "target")
  )
  return (
    f"{part['pairs']:,} pairs of {part['documents']:,} documents in "
    f"{part['sequences']:,} sequences; in each {sides}; "
    f"{part['unknown_share']:.3%} unknown; left out "
    f"{part['too_long_pairs']:,} too long, {part['uneven_pairs']:,} uneven"
  )


def summary(dataset: dict, output_dir: str) -> str:
  """Returns a few lines for people on what `prepare` returned."""
  words = "pieces", _describe, " a target token"
  return "\n".join(preparation.summarize(dataset, output_dir, *words))


define_flags = functools.partial(preparation.define_flags, PairSettings, {})
main = functools.partial(preparation.main, PairSettings, prepare, summary)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main, preparation.parse_known_flags)
