# SPDX-License-Identifier: Apache-2.0
"""Who we are to a server, and what we vouch for: logins, tokens, signatures."""
