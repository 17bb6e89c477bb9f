# SPDX-License-Identifier: Apache-2.0
"""BERTs in Hugging Face's form: written from runs, read into runs."""
