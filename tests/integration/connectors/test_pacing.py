import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.connectors.pacing import RedisPacer, _Account
from tests.integration.connectors.conftest import OwnValkey

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


def a_worker(
    url: str, *, limit: int, tasks: int, rounds: int, seconds: float, lease: float = 30
) -> subprocess.Popen[bytes]:
    arguments = [str(value) for value in (limit, tasks, rounds, seconds, lease)]
    command = [sys.executable, "-m", "tests.integration.connectors.pacing_child", url, *arguments]
    return subprocess.Popen(command, cwd=ROOT)


async def leases(redis: Redis) -> int:
    return int(await redis.zcard("{acc}:leases"))


async def until(redis: Redis, key: str, value: bytes) -> None:
    deadline = time.monotonic() + 30
    while await redis.get(key) != value:
        assert time.monotonic() < deadline, f"{key} never became {value!r}"
        await asyncio.sleep(0.01)


class Inside:
    """Counts who is in a slot at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.order: list[str] = []

    async def visit(self, pacer: RedisPacer, seconds: float = 0.02, name: str = "") -> None:
        async with pacer.slot():
            self.now += 1
            self.most = max(self.most, self.now)
            self.order.append(name)
            await asyncio.sleep(seconds)
            self.now -= 1


async def test_three_processes_of_eight_tasks_never_exceed_the_limit(own_valkey: OwnValkey, redis: Redis) -> None:
    workers = [a_worker(own_valkey.url, limit=5, tasks=8, rounds=5, seconds=0.005) for _ in range(3)]
    codes = [await asyncio.to_thread(worker.wait, 60) for worker in workers]

    assert codes == [0, 0, 0]
    assert await redis.get("calls") == b"120"
    assert await redis.get("most") == b"5"
    assert await leases(redis) == 0
    assert await redis.zcard("{acc}:queue") == 0


async def test_the_leases_of_a_killed_holder_expire(own_valkey: OwnValkey, redis: Redis) -> None:
    holder = a_worker(own_valkey.url, limit=2, tasks=2, rounds=1, seconds=60, lease=1)
    await until(redis, "inside", b"2")
    holder.kill()
    await asyncio.to_thread(holder.wait)
    assert await leases(redis) == 2

    pacer, inside = RedisPacer(redis, "acc", 2), Inside()
    await asyncio.wait_for(asyncio.gather(*(inside.visit(pacer, 1.5) for _ in range(2))), 30)
    assert inside.most == 2


async def test_a_call_that_takes_longer_than_its_lease_keeps_its_place(redis: Redis) -> None:
    patient, other, inside = RedisPacer(redis, "acc", 1, lease_seconds=0.6), RedisPacer(redis, "acc", 1), Inside()
    held = asyncio.create_task(inside.visit(patient, 2.5))
    await asyncio.sleep(0.1)
    behind = await other._ask(_Account(), "somebody else")
    await asyncio.sleep(2)
    assert behind == 0
    assert await other._ask(_Account(), "somebody else") == 0
    await held
    assert await other._ask(_Account(), "somebody else") == -1


async def test_the_ticket_of_a_killed_waiter_does_not_block_those_behind(own_valkey: OwnValkey, redis: Redis) -> None:
    pacer = RedisPacer(redis, "acc", 1)
    async with pacer.slot():
        waiter = a_worker(own_valkey.url, limit=1, tasks=1, rounds=1, seconds=60)
        deadline = time.monotonic() + 30
        while await redis.zcard("{acc}:queue") == 0:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        waiter.kill()
        await asyncio.to_thread(waiter.wait)

    await asyncio.wait_for(Inside().visit(pacer), 30)


async def test_a_flushed_redis_never_lets_one_process_exceed_the_limit(redis: Redis) -> None:
    pacer, inside, done = RedisPacer(redis, "acc", 3), Inside(), asyncio.Event()

    async def flush() -> None:
        while not done.is_set():
            await redis.flushall()
            await asyncio.sleep(0.003)

    flushing = asyncio.create_task(flush())
    await asyncio.gather(*(inside.visit(pacer) for _ in range(40)))
    done.set()
    await flushing
    assert inside.most == 3


async def test_two_pacers_of_one_account_share_its_limit(redis: Redis) -> None:
    first, second, inside = RedisPacer(redis, "acc", 3), RedisPacer(redis, "acc", 3, priority=0), Inside()
    await asyncio.gather(*(inside.visit(pacer) for pacer in (first, second) * 10))
    assert inside.most == 3
    assert await leases(redis) == 0


async def test_waiters_are_served_in_turn_and_interactive_ones_first(redis: Redis) -> None:
    later, now, inside = RedisPacer(redis, "acc", 1), RedisPacer(redis, "acc", 1, priority=0), Inside()
    pressing, tasks = RedisPacer(redis, "acc", 1, priority=1), []
    for name, pacer in (("held", later), ("a", later), ("b", later), ("x", pressing), ("person", now), ("c", later)):
        tasks.append(asyncio.create_task(inside.visit(pacer, 0.05, name)))
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks)
    assert inside.order == ["held", "person", "x", "a", "b", "c"]


async def test_a_person_in_another_process_overtakes_a_waiting_load(own_valkey: OwnValkey, redis: Redis) -> None:
    load = a_worker(own_valkey.url, limit=1, tasks=4, rounds=5, seconds=0.15)
    await until(redis, "calls", b"2")
    async with asyncio.timeout(30), RedisPacer(redis, "acc", 1, priority=0).slot():
        assert int(await redis.get("calls")) <= 5
    await asyncio.to_thread(load.wait, 30)


@pytest.mark.parametrize("delay", [0, 0.0005, 0.001, 0.004, 0.03])
async def test_cancellation_leaves_no_lease_and_no_ticket(redis: Redis, delay: float) -> None:
    pacer, inside = RedisPacer(redis, "acc", 2), Inside()
    tasks = [asyncio.create_task(inside.visit(pacer, 0.01)) for _ in range(12)]
    await asyncio.sleep(delay)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert await leases(redis) == 0
    assert await redis.zcard("{acc}:queue") == 0
    await asyncio.wait_for(asyncio.gather(*(Inside().visit(pacer) for _ in range(4))), 30)


async def test_without_redis_two_at_once_go_on_and_recover(own_valkey: OwnValkey, redis: Redis) -> None:
    pacer, inside = RedisPacer(redis, "acc", 6), Inside()
    own_valkey.stop()
    try:
        await asyncio.wait_for(asyncio.gather(*(inside.visit(pacer) for _ in range(10))), 30)
    finally:
        own_valkey.start()
    assert inside.most == 2

    await asyncio.sleep(1.1)
    again = Inside()
    await asyncio.gather(*(again.visit(pacer) for _ in range(20)))
    assert again.most == 6
    assert await leases(redis) == 0
