# SPDX-License-Identifier: Apache-2.0
"""A task of GLUE from TensorFlow Datasets."""

from token_dropping.common import errors
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import sentence_data
from token_dropping.data.finetuning import tfds_examples


def read(task: glue_tasks.GlueTask, builder) -> sentence_data.SentenceData:
  """Reads all splits of a task.

  Args:
    task: of GLUE.
    builder: of `glue/...`.

  Raises:
    UserError: the set does not name the labels as we do.
  """
  names = getattr(builder.info.features["label"], "names", ())
  if tuple(names) != task.labels:
    raise errors.UserError(
      f"labels of {builder.info.full_name} must be {', '.join(task.labels)}. "
      f"Received: {', '.join(names)}"
    )
  return sentence_data.SentenceData(
    labels=task.labels,
    metrics=task.metrics,
    splits={split: _read_split(task, builder, split) for split in task.files},
    label_range=task.label_range,
    submissions=task.submissions,
    submission_labels=task.values,
  )


def _read_split(task, builder, split: str) -> sentence_data.Split:
  test = glue_tasks.is_test(split)
  examples = []
  for number, example in enumerate(tfds_examples.read(builder, split)):
    texts = tuple(
      example[name].decode() for name in task.tfds_texts or task.texts
    )
    label = 0 if test else _label(task, example["label"])
    index = int(example["idx"]) if test else number
    examples.append(sentence_data.Example(texts, label, index))
  return sentence_data.Split(examples, labelled=not test)


def _label(task, value) -> int | float:
  return int(value) if task.labels else float(value)
