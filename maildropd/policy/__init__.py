# SPDX-License-Identifier: Apache-2.0
"""May this mail pass, and as what: decided once, before it is stored."""
