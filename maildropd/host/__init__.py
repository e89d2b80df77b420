# SPDX-License-Identifier: Apache-2.0
"""The kernel and systemd, one foreign library per file."""
