# SPDX-License-Identifier: Apache-2.0
"""Order and timing of deliveries."""
