# SPDX-License-Identifier: Apache-2.0
"""How a dialogue may end, other than by a word."""


class Gone(Exception):
    """The client has hung up, or has been silent for too long."""


class Overdue(Exception):
    """There is no time to wait for another command: we are about to stop."""
