# SPDX-License-Identifier: Apache-2.0
"""Makes a pretraining dataset on Apache Beam: text -> vocabulary -> TFRecords.

    python -m token_dropping.data.prepare --output_dir=/tmp/enwiki \\
        --vocab_size=4096 --seq_length=128 --max_predictions_per_seq=20

takes the embedded corpus, 104 articles of English Wikipedia, and about 25 s.
`--input` names other text. The folder then holds `train-*.tfrecord`,
`validation-*.tfrecord`, `vocab.txt` (`tokenizer.model` with
`--objective=causal_lm`) and `dataset.json`, which says what was made and how.
A second run with the same settings leaves them as they are, one with other
settings replaces them, and one after a kill goes on.

Three passes of independent tasks read and write files: the input becomes pieces
of clean text (`text_pieces`), their words are counted (`word_counts`), and each
piece becomes two shards (`shards`). `objectives` says what differs between data
to predict masked tokens and data to predict the next ones. No text passes
through Beam, so memory is bounded by a piece; the dataset depends on the input
and the settings alone. Options of Beam, such as `--runner=FlinkRunner`, are
passed on to it; those for its filesystems do not change how input and output
are read and written.
"""

import functools
from collections.abc import Sequence

from token_dropping.common import errors
from token_dropping.data.pretraining import objectives
from token_dropping.data.pretraining import preparation
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.pretraining.corpus import documents
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import tfds_text
from token_dropping.data.pretraining.prepare_settings import PrepareSettings


def prepare(
  settings: PrepareSettings, num_workers: int = 0, beam_args: Sequence[str] = ()
) -> dict:
  """Makes the dataset, unless it is there already.

  `num_workers` are processes on this machine, 0 for one per core and 64 MB of
  text; `beam_args` options for Beam, such as `--runner=FlinkRunner`. Unusable
  or too little input, and a folder that is not ours, are `UserError`s.

  Returns the content of `dataset.json`: `format_version`, `settings`,
  `masking` or `objective`, `vocab_size` (tokens there are), `text` (counters of
  `text_lines`), `train` and `validation` (see `dataset_statistics`, of
  causal_lm `causal.statistics`), and for each of `files` its `bytes`, its
  `crc32` in 8 hexadecimal digits and, of records, `records`.
  """
  sizes = {}
  if settings.tfds_name:
    tfds_text.check_text(settings.tfds_name, settings.text_field)
  else:
    sizes = input_plan.resolve_inputs(settings.input)
  named = preparation.named_inputs(sizes, settings.tfds_name)
  recorded = settings.recorded() | {"input_files": named}
  make, objective = functools.partial(_make, sizes), objectives.of(settings)
  return preparation.run(
    settings, objective, recorded, make, num_workers, beam_args
  )


_WHERE_DOCUMENTS_END = (
  "of more than one word (documents end at blank lines, or see "
  "--document_per_line and --document_per_file)"
)


def _make(sizes: dict[str, int], passes: preparation.Passes) -> dict:
  """Makes the files, publishes them and returns `dataset.json`."""
  settings = passes.settings
  tasks = input_plan.plan(sizes, settings)
  pieces, text = passes.read(text_pieces.clean, tasks)
  documents.check_counts(text, settings)
  # A random next sentence must come from another document of the same part.
  at_least = 2 if settings.packing == "pairs" else 1
  threshold = passes.threshold(pieces, at_least, _WHERE_DOCUMENTS_END)
  if settings.deduplicate:
    pieces = text_pieces.without_copies(pieces)
    text["duplicate_documents"] = sum(len(piece.skip) for piece in pieces)
    text["documents"] -= text["duplicate_documents"]
  return passes.finish(pieces, threshold, text)


_SHOWN = {  # of a split, beside its documents and sequences
  "unknown_share": "{:.3%} [UNK]",
  "bytes_per_token": "{:.2f} bytes a token",
  "padding_share": "{:.1%} padding",
  "truncated_tokens": "{:,} tokens truncated",
}


def _describe(part: dict) -> str:
  shown = [f.format(part[key]) for key, f in _SHOWN.items() if key in part]
  return (
    f"{part['documents']:,} documents, {part['sequences']:,} sequences "
    f"({part['records']:,} records), {part['tokens']:,} tokens, "
    f"{', '.join(shown)}"
  )


def summary(dataset: dict, output_dir: str) -> str:
  """Returns a few lines for people on what `prepare` returned."""
  lines = preparation.summarize(dataset, output_dir, "tokens", _describe)
  guessed = dataset["validation"]
  if "bigram_loss" in guessed:
    lines.append(
      f"a guess from the token before: {guessed['bigram_loss']:.3f} nats, "
      f"{guessed['bigram_bits_per_byte']:.3f} bits a byte (without context "
      f"{guessed['unigram_bits_per_byte']:.3f})"
    )
  return "\n".join(lines)


define_flags = functools.partial(
  preparation.define_flags, PrepareSettings, prepare_settings.CHOICES
)
main = functools.partial(preparation.main, PrepareSettings, prepare, summary)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main, preparation.parse_known_flags)
