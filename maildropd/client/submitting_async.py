# SPDX-License-Identifier: Apache-2.0
"""The same way in for asyncio; only the drop is waited for in a thread."""

import asyncio

from maildropd.client import waiting
from maildropd.client.submitting import Way, digest, left, receipt
from maildropd.client.values import Door, Receipt, Submission


async def submitted(one: Submission, door: Door, *, verify: bool = False) -> Receipt:
    """Return once the mail would survive a power cut; raise as its sibling does."""
    sha256 = digest(one) if verify else ""
    way = Way()
    while way.tries:
        with way.tried():
            found = await waiting.submitted(one, door, sha256, fresh=way.fresh)
            return receipt(one, found)
    return await asyncio.to_thread(left, one, door, way.why)
