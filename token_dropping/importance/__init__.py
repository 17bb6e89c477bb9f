# SPDX-License-Identifier: Apache-2.0
"""Makes tables of importance, once, before training."""
