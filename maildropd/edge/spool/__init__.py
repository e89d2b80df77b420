# SPDX-License-Identifier: Apache-2.0
"""Mail that programs leave in a directory."""
