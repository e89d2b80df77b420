# SPDX-License-Identifier: Apache-2.0
"""Ways that end on this host."""
