# SPDX-License-Identifier: Apache-2.0
"""The same way in for asyncio: many at a time, and no thread waits."""

import asyncio

from maildropd.client.submitting import submitted as submitted_blocking
from maildropd.client.values import Door, Receipt, Submission


async def submitted(one: Submission, door: Door, *, verify: bool = False) -> Receipt:
    """Return once the mail would survive a power cut; raise as its sibling does."""
    return await asyncio.to_thread(submitted_blocking, one, door, verify=verify)
