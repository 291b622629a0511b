"""The counters' side of the ports below: vendor calls, waits for the limiter, the engine's news."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Protocol
from uuid import UUID

from app.telemetry import metrics, tracing


class _Call(Protocol):
    """As app.http.watching.Call."""

    @property
    def vendor(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def route(self) -> str: ...


def watch_call(call: _Call) -> Callable[[str], None]:
    """Count a vendor's call, time it and trace it; satisfies app.http.watching.Watch."""
    started_at = monotonic()
    end_span = tracing.watch_call(call.vendor, call.method, call.route)

    def ended(outcome: str) -> None:
        metrics.VENDOR_REQUESTS.labels(call.vendor, call.method, call.route, outcome).inc()
        metrics.VENDOR_SECONDS.labels(call.vendor, call.method, call.route).observe(monotonic() - started_at)
        if end_span is not None:
            end_span(outcome)

    return ended


def note_wait(vendor: str, seconds: float, leased: bool) -> None:
    """Satisfies the `waited` of app.connections.pacers.Pacers."""
    metrics.LIMITER_WAIT_SECONDS.labels(vendor).observe(seconds)
    if not leased:
        metrics.LIMITER_DEGRADED.labels(vendor).inc()


class EngineCounters:
    """Satisfies app.sync.observing.Observer."""

    def claimed(self, taken_over: bool) -> None:
        metrics.RUNS_IN_HAND.inc()
        if taken_over:
            metrics.TAKEOVERS.inc()

    def remembered(self, tenant_id: UUID, sync_id: UUID, pages: int, counts: Mapping[str, int]) -> None:
        metrics.PAGES.inc(pages)
        for outcome, count in counts.items():
            metrics.RECORDS.labels(tenant_id, sync_id, outcome).inc(count)

    def sliced(self, result: str, seconds: float) -> None:
        metrics.RUNS_IN_HAND.dec()
        metrics.SLICES.labels(result).inc()
        metrics.SLICE_SECONDS.observe(seconds)
        if result == "lost":
            metrics.LEASES_LOST.inc()

    def finished(self, state: str) -> None:
        metrics.RUNS_FINISHED.labels(state).inc()
