"""At most N requests in flight per vendor account, over all processes.

Each call holds a lease in Redis that expires by itself; who finds no lease free takes a ticket and is served in
turn, priority 0 before 1 before 2. Redis decides with its own clock. Redis is only a courtesy between processes: the
gate inside each process holds whatever happens to it.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from secrets import token_hex
from time import monotonic
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.connectors.turnstile import Turnstile

log = structlog.get_logger(__name__)

T = TypeVar("T")

Waited = Callable[[float, bool], None]
"""Told how many seconds a call waited for its place, and whether that is a lease of Redis."""

DEGRADED_LIMIT = 2
_TICKET_MS = 2_000  # a waiter that has not asked for so long is gone
_REDIS_TIMEOUT_SECONDS = 2.0
_REDIS_PAUSE_SECONDS = 1.0  # after a failure Redis is left alone for so long
_WITHDRAW_SECONDS = 0.02
_POLL_MIN_MS, _POLL_MAX_MS = 5.0, 50.0

_ACQUIRE = """
local leases, queue, tickets, counter = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, limit, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local ticket_ms, priority = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', tickets, '-inf', now)) do
  redis.call('ZREM', queue, gone)
  redis.call('ZREM', tickets, gone)
end
local ahead = redis.call('ZRANK', queue, token)
local queued = ahead ~= false
if not queued then
  ahead = redis.call('ZCOUNT', queue, '-inf', '(' .. string.format('%.0f', (priority + 1) * 1e14))
end
local behind = ahead - (limit - redis.call('ZCARD', leases))
if behind < 0 then
  if queued then
    redis.call('ZREM', queue, token)
    redis.call('ZREM', tickets, token)
  end
  redis.call('ZADD', leases, now + lease_ms, token)
  redis.call('PEXPIRE', leases, lease_ms + 1000)
  return -1
end
if not queued then
  local turn = redis.call('INCR', counter)
  redis.call('ZADD', queue, string.format('%.0f', priority * 1e14 + turn), token)
  redis.call('PEXPIRE', counter, 86400000)
end
redis.call('ZADD', tickets, now + ticket_ms, token)
redis.call('PEXPIRE', queue, lease_ms + 1000)
redis.call('PEXPIRE', tickets, lease_ms + 1000)
return behind
"""

_RELEASE = """
local token, keep, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
if keep == '1' and redis.call('ZCARD', KEYS[2]) == 0 and redis.call('ZSCORE', KEYS[1], token) then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + lease_ms, token)
  redis.call('PEXPIRE', KEYS[1], lease_ms + 1000)
  return 1
end
redis.call('ZREM', KEYS[1], token)
redis.call('ZREM', KEYS[2], token)
redis.call('ZREM', KEYS[3], token)
return 0
"""

_RENEW = """
local token, lease_ms = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', time[1] * 1000 + math.floor(time[2] / 1000) + lease_ms, token)
redis.call('PEXPIRE', KEYS[1], lease_ms + 1000)
return 0
"""


class Pacer(Protocol):
    """Gives each request its place among those in flight."""

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Hold one place while the block runs; waits until there is one."""
        ...


class LocalPacer:
    """At most `limit` at once in this process alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._gate = Turnstile()

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Hold one of the places of this object."""
        return self._gate.turn(self._limit)


class _Account:
    """What this process knows of one paced account, shared by all pacers of its key."""

    def __init__(self) -> None:
        self.gate = Turnstile()
        self.degraded = Turnstile()
        self.spare: list[str] = []  # leases kept for the next local waiter
        self.retry_redis_at = 0.0


_unfinished: set[asyncio.Future[Any]] = set()  # the loop itself holds tasks only weakly
_accounts: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, _Account]] = WeakKeyDictionary()


def _account(key: str) -> _Account:
    here = _accounts.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    account = here.get(key)
    if account is None:
        account = here[key] = _Account()
    return account


class RedisPacer:
    """At most `limit` leases alive over all processes that pace by `key`.

    A lease is renewed while its call lives, so that a killed holder's place is free after `lease_seconds`, however
    long calls may take: the peer of a process that is gone has lost its connection too. Priority 0 (a person waits) is
    served before 1 and 2 (a load in the background). Without Redis at most two calls are in flight per process, and
    nothing fails.
    """

    def __init__(
        self,
        redis: "Redis",
        key: str,
        limit: int,
        *,
        lease_seconds: float = 15,
        priority: int = 2,
        waited: Waited | None = None,
    ) -> None:
        self._redis = redis
        self._key = key
        self._limit = limit
        self._lease_ms = int(lease_seconds * 1000)
        self._priority = priority
        self._waited = waited
        self._keys = [f"{{{key}}}:{part}" for part in ("leases", "queue", "tickets", "turns")]
        self._acquire_script = redis.register_script(_ACQUIRE)
        self._release_script = redis.register_script(_RELEASE)
        self._renew_script = redis.register_script(_RENEW)
        self._home: _Account | None = None  # keeps the account's state alive between calls

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one lease of the account while the block runs."""
        account = self._home = _account(self._key)
        asked_at = monotonic()
        try:
            async with account.gate.turn(self._limit, self._priority), self._lease(account) as leased:
                if self._waited is not None:
                    self._waited(monotonic() - asked_at, leased)
                yield
        except asyncio.CancelledError:
            if account.spare and not account.gate.waiting:  # the one it was kept for was cancelled on the way in
                await _to_the_end(self._give_back(account, account.spare.pop()))
            raise

    @asynccontextmanager
    async def _lease(self, account: _Account) -> AsyncIterator[bool]:
        """Whether it is a lease of Redis, not just a place in this process."""
        token = await self._acquire(account)
        if token is None:
            async with account.degraded.turn(DEGRADED_LIMIT, self._priority):
                yield False
            return
        renewing = self._renew_later(account, token)
        try:
            yield True
        finally:
            renewing.stop()
            try:
                await self._release(account, token)
            except asyncio.CancelledError:
                await _to_the_end(self._give_back(account, token))
                raise

    def _renew_later(self, account: _Account, token: str) -> "_Renewal":
        """Extends the lease of a call that takes long; costs a timer for those that do not."""
        return _Renewal(
            self._lease_ms / 3000,
            lambda: self._run(account, self._renew_script(self._keys[:1], [token, self._lease_ms])),
        )

    async def _acquire(self, account: _Account) -> str | None:
        """The token of a lease, or None when Redis cannot be asked."""
        if account.spare:
            return account.spare.pop()
        token, polls = token_hex(8), 0
        while True:
            if monotonic() < account.retry_redis_at:
                return None
            try:
                behind = await self._ask(account, token)
                if behind is None or behind < 0:
                    return None if behind is None else token
                await asyncio.sleep(_poll_seconds(polls, behind))
            except asyncio.CancelledError:
                await _to_the_end(self._withdraw(account, token))
                raise
            polls += 1

    async def _ask(self, account: _Account, token: str) -> int | None:
        """-1 when the lease is ours, else how many must be served first; None when Redis does not answer."""
        args = (token, self._limit, self._lease_ms, _TICKET_MS, self._priority)
        return await self._run(account, self._acquire_script(keys=self._keys, args=args))

    async def _release(self, account: _Account, token: str) -> None:
        """Give the lease back, or keep it for the next local waiter while no other process queues."""
        keep = account.gate.waiting and not account.spare
        args = (token, int(keep), self._lease_ms)
        if await self._run(account, self._release_script(keys=self._keys, args=args)) != 1:
            return
        if account.gate.waiting:
            account.spare.append(token)
        else:  # the waiter went away meanwhile
            await self._give_back(account, token)

    async def _give_back(self, account: _Account, token: str) -> None:
        await self._run(account, self._release_script(keys=self._keys, args=[token, 0, self._lease_ms]))

    async def _withdraw(self, account: _Account, token: str) -> None:
        """Take back a question in flight: its answer must leave neither lease nor ticket behind.

        The question went out on another connection, so it is given time to arrive first.
        """
        await asyncio.sleep(_WITHDRAW_SECONDS)
        await self._give_back(account, token)

    async def _run(self, account: _Account, script: Coroutine[Any, Any, Any]) -> int | None:
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT_SECONDS):
                answer = int(await script)
        except (RedisError, OSError, TimeoutError) as error:
            if account.retry_redis_at == 0.0:
                log.warning("pacing.degraded", key=self._key, error=type(error).__name__, limit=DEGRADED_LIMIT)
            account.retry_redis_at = monotonic() + _REDIS_PAUSE_SECONDS
            return None
        if account.retry_redis_at:
            account.retry_redis_at = 0.0
            log.info("pacing.restored", key=self._key)
        return answer


class _Renewal:
    """Does something again and again, every so many seconds, until it is stopped."""

    def __init__(self, seconds: float, renew: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._seconds = seconds
        self._renew = renew
        self._task: asyncio.Future[Any] | None = None
        self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def _due(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._renew())
            _unfinished.add(self._task)
            self._task.add_done_callback(_unfinished.discard)
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._due)

    def stop(self) -> None:
        """What is on its way arrives: a lease that was given back cannot be renewed."""
        self._timer.cancel()


def _poll_seconds(polls: int, behind: int) -> float:
    """Soon when next in line and fresh, slower with every vain question; jitter keeps the waiters apart."""
    interval = min(_POLL_MAX_MS, _POLL_MIN_MS * (1 + behind) * 1.25 ** min(polls, 12))
    return interval * random.uniform(0.8, 1.0) / 1000  # noqa: S311 - spreads polls, guards no secret


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Finish `work` even when the caller is cancelled while waiting for it."""
    task = asyncio.ensure_future(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    await asyncio.shield(task)
