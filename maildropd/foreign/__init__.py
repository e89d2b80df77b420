# SPDX-License-Identifier: Apache-2.0
"""The files of other mail systems: read, and written, as they have them."""
