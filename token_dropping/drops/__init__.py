# SPDX-License-Identifier: Apache-2.0
"""What happens to the tokens that are not kept: one file for each type."""
