# SPDX-License-Identifier: Apache-2.0
"""The octets of a message as a server takes them."""
