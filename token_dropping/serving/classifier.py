# SPDX-License-Identifier: Apache-2.0
"""A fine-tuned classifier, or regressor, of one or two sentences."""

import tensorflow as tf

from token_dropping.serving import head


class Classifier(head.Head):
  """Gives `outputs` [B, classes], the name in Model Garden's module.

  The strings of a request are the `text_fields` of the run's training data.
  """

  echoed = ()

  def __init__(self, run, output=head.LOGITS):
    self.normalized = run.task["model"]["num_classes"] > 1
    self.text_fields = run.text_fields
    self.labels = run.labels
    super().__init__(run, output)

  def build_network(self, run):
    return run.build_classifier()

  def outputs(self, inputs):
    logits = self._network(inputs)
    if self.output == head.SOFTMAX:
      logits = tf.nn.softmax(logits)
    return {"outputs": logits}
