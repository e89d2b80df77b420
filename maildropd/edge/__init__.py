# SPDX-License-Identifier: Apache-2.0
"""How mail and operators come in."""
