# SPDX-License-Identifier: Apache-2.0
"""The project's own benchmark, beside Debian's Postfix; started by scripts/bench."""
