"""A token bucket per API key: in Redis for all processes, in this process alone while Redis is gone."""

from collections import OrderedDict
from time import monotonic

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

_KEPT_BUCKETS = 10_000
_REDIS_PAUSE_SECONDS = 2.0

_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local bucket = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = math.min(burst, (tonumber(bucket[1]) or burst) + math.max(0, now - (tonumber(bucket[2]) or now)) * rate)
local wait = 0
if left >= 1 then left = left - 1 else wait = (1 - left) / rate end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 1)
return tostring(wait)
"""


class LocalBuckets:
    """Token buckets of this process alone: `rate` per second on average, `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, caller: str, now: float) -> float:
        """0 when the request may pass, else how long its caller should wait."""
        left, at = self._buckets.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._buckets[caller] = (left - 1 if wait == 0 else left, now)
        if len(self._buckets) > _KEPT_BUCKETS:
            self._buckets.popitem(last=False)
        return wait


class RateLimits:
    """`per_minute` requests per caller on average, a quarter of them at once (at least 20)."""

    def __init__(self, redis: "Redis", per_minute: int) -> None:
        self._rate = per_minute / 60
        self._burst = max(min(per_minute, 20), per_minute // 4)
        self._take = redis.register_script(_TAKE)
        self._local = LocalBuckets(self._rate, self._burst)
        self._retry_redis_at = 0.0

    async def wait_seconds(self, caller: str) -> float:
        """0 when the request may pass, else how long its caller should wait. Never fails."""
        if monotonic() >= self._retry_redis_at:
            try:
                return float(await self._take(keys=[f"mlc:rate:{caller}"], args=[self._rate, self._burst]))
            except (RedisError, OSError, TimeoutError) as error:
                self._retry_redis_at = monotonic() + _REDIS_PAUSE_SECONDS
                log.warning("rate_limit.local", error=type(error).__name__)
        return self._local.wait_seconds(caller, monotonic())
