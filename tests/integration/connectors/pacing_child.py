"""One worker process of the pacing tests: many tasks through one RedisPacer, each counted by the server."""

import asyncio
import sys

from redis.asyncio import Redis

from app.connectors.pacing import RedisPacer

_COUNT_IN = """
local now = redis.call('INCR', KEYS[1])
local most = tonumber(redis.call('GET', KEYS[2]) or '0')
if now > most then redis.call('SET', KEYS[2], now) end
redis.call('INCR', KEYS[3])
return now
"""


async def work(url: str, limit: int, tasks: int, rounds: int, seconds: float, lease: float) -> None:
    redis = Redis.from_url(url)
    pacer = RedisPacer(redis, "acc", limit, lease_seconds=lease)
    count_in = redis.register_script(_COUNT_IN)

    async def task() -> None:
        for _ in range(rounds):
            async with pacer.slot():
                await count_in(keys=["inside", "most", "calls"])
                await asyncio.sleep(seconds)
                await redis.decr("inside")

    await asyncio.gather(*(task() for _ in range(tasks)))
    await redis.aclose()


if __name__ == "__main__":
    _, url, limit, tasks, rounds, seconds, lease = sys.argv
    asyncio.run(work(url, int(limit), int(tasks), int(rounds), float(seconds), float(lease)))
