# SPDX-License-Identifier: Apache-2.0
"""Telling the sender what became of his mail."""
