# SPDX-License-Identifier: Apache-2.0
"""What a connection has before it: one lease, and the one that comes next."""

from dataclasses import dataclass

from maildropd.store.base import Lease


@dataclass(frozen=True, slots=True)
class Errand:
    """A lease on its way; a transport may begin with what follows in advance."""

    lease: Lease
    following: Lease | None = None
