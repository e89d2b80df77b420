# SPDX-License-Identifier: Apache-2.0
"""The queue on disk, and the one door into it."""
