# SPDX-License-Identifier: Apache-2.0
"""BERT on the dropping engine, its config, and its final norm."""
