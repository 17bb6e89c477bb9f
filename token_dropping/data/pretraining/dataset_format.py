# SPDX-License-Identifier: Apache-2.0
"""What the writer and the readers of `dataset.json` agree on."""

CARD = "dataset.json"
FORMAT_VERSION = 2
