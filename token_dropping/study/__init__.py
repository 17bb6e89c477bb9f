# SPDX-License-Identifier: Apache-2.0
"""Variants of pretraining, measured side by side: see `__main__`."""
