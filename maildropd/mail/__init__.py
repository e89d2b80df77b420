# SPDX-License-Identifier: Apache-2.0
"""The words of the house: values without input or output."""
