# SPDX-License-Identifier: Apache-2.0
"""Shows which tokens a pretraining run drops, and what that does to them."""
