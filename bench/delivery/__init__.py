# SPDX-License-Identifier: Apache-2.0
"""Delivering mail, beside other mail systems: scripts/bench delivery."""
