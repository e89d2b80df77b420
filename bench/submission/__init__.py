# SPDX-License-Identifier: Apache-2.0
"""Handing over mail, beside Debian's other mail systems: scripts/bench submission."""
