"""The doorbell: tells a worker that a run waits. Losing a ring costs time, never a run."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog
from arq.connections import ArqRedis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

QUEUE = "ml-connector"
QUICK = "ml-connector-quick"
"""Jobs that must not wait behind long runs: webhooks, erasures."""
CARRY = "carry_run"
"""The job of workers/jobs.py that takes up one run."""
_TRACE = "mlc:trace:"  # beside the job, so that whoever rings later for the same row leads to the same trace
_TRACE_SECONDS = 86_400

serialize = msgspec.json.encode


def deserialize(data: bytes) -> dict[str, Any]:
    """A job as arq wants it. JSON on purpose: what lies in Redis must never be able to run code here."""
    return msgspec.json.decode(data, type=dict[str, Any])


class Queue:
    """Rings workers through arq; the run row itself is what they work from."""

    def __init__(self, redis: ArqRedis, trace: Callable[[], str | None] = lambda: None) -> None:
        self.redis = redis
        self._trace = trace

    async def trace_of(self, row_id: str) -> str | None:
        """The W3C traceparent of whoever first rang for this row, for a day; None also when Redis does not say."""
        try:
            kept: bytes | None = await self.redis.get(_TRACE + row_id)
        except (RedisError, OSError):
            return None
        return kept.decode("ascii") if kept is not None else None

    async def ring(self, tenant_id: UUID, run_id: UUID, *, delay_seconds: float = 0) -> bool:
        """Say that this run waits; false when Redis did not take it (the sweeper rings again later)."""
        return await self._ring(QUEUE, CARRY, (tenant_id, run_id), delay_seconds)

    async def ring_for(self, job: str, *ids: UUID, delay_seconds: float = 0) -> bool:
        """Say that `job`, a quick one of workers/jobs.py, has something to do with the rows of these ids."""
        return await self._ring(QUICK, job, ids, delay_seconds)

    async def _ring(self, queue: str, job: str, ids: Sequence[UUID], delay_seconds: float) -> bool:
        try:
            if len(ids) > 1 and (trace := self._trace()) is not None:
                await self.redis.set(f"{_TRACE}{ids[-1]}", trace, nx=True, ex=_TRACE_SECONDS)
            await self.redis.enqueue_job(job, *map(str, ids), _queue_name=queue, _defer_by=delay_seconds or None)
        except (RedisError, OSError) as error:
            log.warning("doorbell.unreachable", job=job, ids=[str(id_) for id_ in ids], error=type(error).__name__)
            return False
        return True


def open_redis(url: str) -> ArqRedis:
    """A client that connects when first used, so that a missing Redis stops nobody from starting."""
    redis: ArqRedis = ArqRedis.from_url(url, socket_connect_timeout=2, socket_timeout=5, max_connections=200)
    redis.job_serializer = serialize
    redis.job_deserializer = deserialize
    redis.default_queue_name = QUEUE
    return redis
