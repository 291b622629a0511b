"""What this process counts, in one place; docs/reference/metrics.md describes each family, and a test compares.

What is true of the whole system and lies in the database is measured in app/telemetry/measuring.py instead.
Labels hold ids, words of ours and route templates only.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app import __version__

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)

_VENDOR_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 130)

BUILD = Gauge("mlc_build_info", "Always 1; says which version runs", ("version",), registry=REGISTRY)
BUILD.labels(__version__).set(1)

REQUESTS = Counter("mlc_http_requests_total", "API requests", ("method", "route", "status"), registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "mlc_http_request_seconds",
    "Time to answer an API request",
    ("method", "route"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)

VENDOR_REQUESTS = Counter(
    "mlc_vendor_requests_total",
    "Calls to Sage X3 and Mailchimp by route template and HTTP status, or what happened instead of an answer",
    ("vendor", "method", "route", "status"),
    registry=REGISTRY,
)
VENDOR_SECONDS = Histogram(
    "mlc_vendor_request_seconds",
    "Time from asking a vendor until its answer was read, without waiting for the limiter",
    ("vendor", "method", "route"),
    buckets=_VENDOR_BUCKETS,
    registry=REGISTRY,
)
LIMITER_WAIT_SECONDS = Histogram(
    "mlc_limiter_wait_seconds",
    "Time a call waited for its place among those of its vendor account",
    ("vendor",),
    buckets=(0.001, 0.01, 0.1, 0.5, 1, 2, 4, 8, 15, 30, 60, 130),
    registry=REGISTRY,
)
LIMITER_DEGRADED = Counter(
    "mlc_limiter_degraded_total",
    "Calls made without a lease because Redis did not answer",
    ("vendor",),
    registry=REGISTRY,
)

WEBHOOKS = Counter(
    "mlc_webhook_events_total",
    "Webhook events stored, found to be repeats, or refused for their signature",
    ("kind", "result"),
    registry=REGISTRY,
)

RECORDS = Counter(
    "mlc_records_total",
    "Records accounted for, by what became of them",
    ("tenant_id", "sync_id", "outcome"),
    registry=REGISTRY,
)
PAGES = Counter("mlc_pages_total", "Pages remembered, each in one transaction", registry=REGISTRY)
SLICES = Counter("mlc_run_slices_total", "Slices carried, by how they ended", ("result",), registry=REGISTRY)
SLICE_SECONDS = Histogram(
    "mlc_run_slice_seconds",
    "Time from claiming a run until its slice ended",
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 90, 120, 180, 300, 360),
    registry=REGISTRY,
)
RUNS_FINISHED = Counter("mlc_runs_finished_total", "Runs that ended here, by state", ("state",), registry=REGISTRY)
RUNS_IN_HAND = Gauge("mlc_runs_in_hand", "Runs this process carries at the moment", registry=REGISTRY)
TAKEOVERS = Counter(
    "mlc_lease_takeovers_total", "Runs taken up whose holder had let its lease run out", registry=REGISTRY
)
LEASES_LOST = Counter("mlc_leases_lost_total", "Runs that somebody else took from this process", registry=REGISTRY)
SWEPT_AT = Gauge(
    "mlc_last_sweep_timestamp_seconds", "Unix time of this worker's last complete sweep", registry=REGISTRY
)


class _Given(Collector):
    """Families that were measured elsewhere."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def page(measured: Iterable[Metric] = ()) -> bytes:
    """Everything counted so far, and what was measured for this very page, in Prometheus' text format."""
    given = CollectorRegistry(auto_describe=False)
    given.register(_Given(measured))
    return generate_latest(REGISTRY) + generate_latest(given)
