# SPDX-License-Identifier: Apache-2.0
"""SavedModels of trained models: networks, signatures, folders."""
