# SPDX-License-Identifier: Apache-2.0
"""How mail gets to the next hop."""
