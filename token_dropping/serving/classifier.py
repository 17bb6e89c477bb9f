# SPDX-License-Identifier: Apache-2.0
"""A fine-tuned classifier, or regressor, of one or two sentences."""

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.serving import head


class Classifier(head.Head):
  """Gives `outputs` [B, classes], the name in Model Garden's module.

  The strings of a request are the `text_fields` of the run's training data.
  """

  echoed = ()

  def __init__(self, run, output=head.LOGITS):
    classes = run.task["model"]["num_classes"]
    self.has_logits = classes > 1
    self.text_fields = run.text_fields
    self.labels = run.labels
    if self.labels:
      _check_labels(self.labels, classes)
    super().__init__(run, output)

  def build_network(self, run):
    return run.build_classifier()

  def outputs(self, inputs):
    logits = self._network(inputs)
    if self.output == head.SOFTMAX:
      logits = tf.nn.softmax(logits)
    return {"outputs": logits}


def _check_labels(path: str, classes: int) -> None:
  with tf.io.gfile.GFile(path) as file:
    count = len(file.read().splitlines())
  if count != classes:
    raise errors.UserError(
      f"{path} must have a line for each of the {classes} classes. "
      f"Received: {count}"
    )
