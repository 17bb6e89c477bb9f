# SPDX-License-Identifier: Apache-2.0
"""Fine-tunes a run on movie reviews, beside a TF-IDF logistic regression.

    python -m benchmarks.movie_finetuning --pretrained=runs/quickstart/model \\
        --output_dir=runs/movies

Both learn from the same sentences, are chosen on the same validation sentences
(the network's checkpoint, the regression's strength of regularization), and are
scored once on the same test sentences, which `labelled_tasks` fetches.
"""

import os
import time

import numpy as np
from absl import flags
from sklearn import feature_extraction
from sklearn import linear_model
from sklearn import metrics

from benchmarks import labelled_tasks
from token_dropping.common import errors
from token_dropping.data import finetune
from token_dropping.data.finetuning import finetune_settings
from token_dropping.study import tables
from token_dropping.training import best_checkpoint
from token_dropping.training import config
from token_dropping.training import launch
from token_dropping.training import sentence_predictions
from token_dropping.training import trained_run

CONFIG = "experiments/finetune/movie_reviews.yaml"
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
SEQ_LENGTH = 64

Texts = tuple[list[str], list[str]]


def compare(values: flags.FlagValues) -> str:
  """Trains both and returns a table of their accuracies."""
  folder = os.path.join(values.output_dir, "sentences")
  paths = labelled_tasks.fetch("movies", folder)
  splits = {name: labelled_tasks.read_texts(p) for name, p in paths.items()}
  rows = [
    _timed("majority class", lambda: majority(splits)),
    _timed("TF-IDF, logistic regression", lambda: regression(splits)),
    _timed("fine-tuned network", lambda: _network(paths, splits, values)),
  ]
  head = ["model", "validation accuracy", "test accuracy", "seconds"]
  return tables.markdown([head, *rows])


def majority(splits: dict[str, Texts]) -> tuple[float, float]:
  """Returns the accuracies of always saying the commonest training label."""
  labels, counts = np.unique(splits["train"][1], return_counts=True)
  answer = labels[np.argmax(counts)]
  return tuple(
    float(np.mean(np.array(splits[name][1]) == answer))
    for name in ("validation", "test")
  )


def regression(splits: dict[str, Texts]) -> tuple[float, float]:
  """Returns the accuracies of a logistic regression on words and word pairs."""
  vectorizer = feature_extraction.text.TfidfVectorizer(
    ngram_range=(1, 2), sublinear_tf=True
  )
  train_inputs = vectorizer.fit_transform(splits["train"][0])
  held_out = [
    (vectorizer.transform(splits[name][0]), splits[name][1])
    for name in ("validation", "test")
  ]
  fitted = [
    linear_model.LogisticRegression(C=strength, max_iter=1000).fit(
      train_inputs, splits["train"][1]
    )
    for strength in STRENGTHS
  ]
  best = max(fitted, key=lambda model: model.score(*held_out[0]))
  return tuple(best.score(*part) for part in held_out)


def _network(
  paths: dict[str, str], splits: dict[str, Texts], values: flags.FlagValues
) -> tuple[float, float]:
  data_dir = os.path.join(values.output_dir, "data")
  model_dir = os.path.join(values.output_dir, "model")
  card = finetune.prepare(
    finetune_settings.FinetuneSettings(
      task="classification",
      pretrained=values.pretrained,
      output_dir=data_dir,
      seq_length=SEQ_LENGTH,
      **{f"{name}_file": path for name, path in paths.items()},
    )
  )
  overrides = filter(
    None, [f"task.data_dir={data_dir}", values.params_override]
  )
  params = config.prepare(
    config.LaunchFlags(
      experiment="bert/token_drop_glue",
      pretrained=values.pretrained,
      config_file=[values.config_file],
      params_override=",".join(overrides),
    )
  )
  launch.launch(params, "train_and_eval", model_dir)
  best = best_checkpoint.read_scores(params, model_dir)
  run = trained_run.TrainedRun.read(model_dir, trained_run.BEST)
  predictions = sentence_predictions.predict(run, data_dir, "test")
  labels = np.array(card["labels"])[np.argmax(predictions.outputs, axis=-1)]
  texts = np.array(splits["test"][1])[predictions.ids]
  return best["scores"]["accuracy"], metrics.accuracy_score(texts, labels)


def _timed(name: str, measure) -> list[str]:
  start = time.monotonic()
  accuracies = [f"{accuracy:.3f}" for accuracy in measure()]
  return [name, *accuracies, f"{time.monotonic() - start:.0f}"]


def main(argv: list[str]) -> None:
  """Prints the table."""
  del argv
  values = flags.FLAGS
  for name in ("pretrained", "output_dir"):
    errors.require(bool(values[name].value), f"--{name} must be set", "nothing")
  print(compare(values))


if __name__ == "__main__":
  flags.DEFINE_string("pretrained", "", "Folder of the pretraining run.")
  flags.DEFINE_string("output_dir", "", "Folder for all that is written.")
  flags.DEFINE_string("config_file", CONFIG, "YAML of the fine-tuning.")
  flags.DEFINE_string("params_override", "", "As that of the launcher.")
  errors.run_command(main)
