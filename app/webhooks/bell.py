"""Tells workers that events wait: once for many, a moment after the first, and never in an answer's way."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

LINGER_SECONDS = 0.1


class Bell:
    """`ring` is what reaches the workers; it must not raise. A lost ring costs time: the sweeper finds the events."""

    def __init__(self, ring: Callable[[UUID], Awaitable[object]]) -> None:
        self._ring = ring
        self._waiting: dict[UUID, asyncio.Task[None]] = {}

    def ring(self, tenant_id: UUID) -> None:
        """Returns at once."""
        if tenant_id not in self._waiting:
            self._waiting[tenant_id] = asyncio.create_task(self._later(tenant_id))

    async def _later(self, tenant_id: UUID) -> None:
        try:
            await asyncio.sleep(LINGER_SECONDS)
        finally:
            del self._waiting[tenant_id]  # whatever is stored from here on rings anew
        await self._ring(tenant_id)

    async def close(self) -> None:
        """Ring at once for whoever still waits."""
        for task in (waiting := list(self._waiting.values())):
            task.cancel()
        tenants = list(self._waiting)
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.gather(*(self._ring(tenant_id) for tenant_id in tenants))
