# SPDX-License-Identifier: Apache-2.0
"""Token dropping for BERT pretraining on TensorFlow Model Garden."""

__version__ = "0.1.0"
