# SPDX-License-Identifier: Apache-2.0
"""Measurements, run by hand; every figure in docs/ names its command."""
