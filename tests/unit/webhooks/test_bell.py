"""The bell rings once for many events, and is never in the way."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.webhooks import bell as module
from app.webhooks.bell import Bell


class Workers:
    """Who hears the bell."""

    def __init__(self) -> None:
        self.heard: list[UUID] = []

    async def ring(self, tenant_id: UUID) -> None:
        self.heard.append(tenant_id)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.01)


async def heard_of(heard: list[UUID], count: int) -> list[UUID]:
    """What was heard once it is so much, and a little later."""
    async with asyncio.timeout(30):
        while len(heard) < count:
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.03)
    return heard


async def test_many_events_of_a_tenant_ring_once() -> None:
    workers, one, two = Workers(), uuid4(), uuid4()
    bell = Bell(workers.ring)

    for tenant in (one, one, two, one):
        bell.ring(tenant)
    assert workers.heard == []

    assert sorted(await heard_of(workers.heard, 2)) == sorted([one, two])


async def test_an_event_after_the_ring_rings_again() -> None:
    workers, tenant = Workers(), uuid4()
    bell = Bell(workers.ring)

    bell.ring(tenant)
    assert await heard_of(workers.heard, 1) == [tenant]
    bell.ring(tenant)

    assert await heard_of(workers.heard, 2) == [tenant, tenant]


async def test_an_event_stored_while_the_bell_is_ringing_is_not_forgotten() -> None:
    heard: list[UUID] = []
    tenant = uuid4()

    async def ring(tenant_id: UUID) -> None:
        if not heard:
            bell.ring(tenant_id)  # stored by another request just now
        heard.append(tenant_id)

    bell = Bell(ring)
    bell.ring(tenant)

    assert await heard_of(heard, 2) == [tenant, tenant]


async def test_closing_rings_for_whoever_waits() -> None:
    workers, tenant = Workers(), uuid4()
    bell = Bell(workers.ring)
    bell.ring(tenant)

    await bell.close()

    assert workers.heard == [tenant]
