# SPDX-License-Identifier: Apache-2.0
"""Mail in the frameworks of others: each module needs its framework, and api."""
