# SPDX-License-Identifier: Apache-2.0
"""The other end of the doors: how a Python program hands over mail."""
