"""Retention of content: it is deleted by age and by size, whatever
becomes of its requests.
"""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telemetry.store.batch import CONTENTS

CHUNK_ROWS = 500
CHUNK_BYTES = 16 * 2**20
"""Contents deleted in one transaction, about: so that writing never waits long for it."""

ENOUGH = 0.9
"""Of the largest size: down to where contents go once they have outgrown it."""


async def prune_contents(connection: AsyncConnection, before_seq: int, max_bytes: int) -> int:
    """Delete the oldest contents, at most a chunk: those admitted before `before_seq`, and those for which
    there is no room in `max_bytes` (0 is no limit); returns how many.
    """
    excess = await _excess_bytes(connection, max_bytes)
    oldest = select(CONTENTS.c.seq, CONTENTS.c.size_bytes).order_by(CONTENTS.c.seq).limit(CHUNK_ROWS)
    last: int | None = None
    gone = 0
    for seq, size_bytes in (await connection.execute(oldest)).all():
        if gone > CHUNK_BYTES or (seq >= before_seq and gone >= excess):
            break
        last, gone = seq, gone + size_bytes
    if last is None:
        return 0
    return (await connection.execute(delete(CONTENTS).where(CONTENTS.c.seq <= last))).rowcount


async def content_bytes(connection: AsyncConnection) -> int:
    """Bytes of all contents as they are stored, without the database's own."""
    return int(
        (await connection.execute(select(func.coalesce(func.sum(CONTENTS.c.size_bytes), 0)))).scalar_one()
    )


async def _excess_bytes(connection: AsyncConnection, max_bytes: int) -> float:
    """Bytes that have to go, once there are more than `max_bytes`."""
    used = await content_bytes(connection) if max_bytes else 0
    return used - ENOUGH * max_bytes if used > max_bytes else 0
