# SPDX-License-Identifier: Apache-2.0
"""Mail that programs hand over by SMTP, on sockets of this host."""
