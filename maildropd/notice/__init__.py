# SPDX-License-Identifier: Apache-2.0
"""Telling root that a unit of this host failed: once, and then in digests."""
