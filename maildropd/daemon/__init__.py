# SPDX-License-Identifier: Apache-2.0
"""Building the objects, and their life."""
