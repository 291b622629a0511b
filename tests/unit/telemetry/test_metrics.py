"""Families are documented, labels cannot carry what must not be seen, the engine's news is counted."""

import re
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from app.connectors.calls import named, template
from app.connectors.mailchimp.routes import call, route
from app.http.watching import call_of, outcome_of
from app.telemetry import metrics
from app.telemetry.counting import EngineCounters, note_wait, watch_call
from app.telemetry.measuring import gap_seconds

TENANT, SYNC = UUID(int=1), UUID(int=2)


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/lists/a6b5da1054", "/lists/{id}"),
        ("/lists/a6b5da1054/members/0f1e2d3c4b5a69788796a5b4c3d2e1f0", "/lists/{id}/members/{id}"),
        ("/lists/a6b5da1054/members/anna@acme.test/tags?x=1", "/lists/{id}/members/{id}/tags"),
        ("/ecommerce/stores/s1/orders/INV~1/lines/2", "/ecommerce/stores/{id}/orders/{id}/lines/{id}"),
        ("/ping", "/ping"),
    ],
)
def test_a_path_becomes_its_template_and_nothing_else_gets_through(path: str, expected: str) -> None:
    assert route(path) == expected


def test_words_that_are_not_the_vendors_are_replaced_wherever_they_stand() -> None:
    assert template("hooks/lists/secret", {"lists"}) == "/{id}/lists/{id}"


def test_a_request_says_its_vendor_and_template_or_nothing_at_all() -> None:
    told = httpx.Request("GET", "https://x.test/3.0/lists/abc", extensions=call("/lists/abc"))
    silent = httpx.Request("GET", "https://x.test/secret-path")

    assert call_of(told) == ("mailchimp", "GET", "/lists/{id}")
    assert call_of(silent) == ("other", "GET", "(other)")
    assert named("sage_x3", "/graphql", max_body_bytes=5) == {"call": ("sage_x3", "/graphql"), "max_body_bytes": 5}


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (httpx.ReadTimeout("x"), "timeout"),
        (httpx.ConnectTimeout("x"), "timeout"),
        (httpx.ConnectError("x"), "unreachable"),
        (httpx.ReadError("x"), "broken"),
    ],
)
def test_a_call_without_an_answer_has_one_word(error: Exception, word: str) -> None:
    assert outcome_of(error) == word


def test_a_call_is_counted_and_timed_when_it_ended() -> None:
    request = httpx.Request("GET", "https://x.test/ping", extensions=call("/ping"))
    labels = {"vendor": "mailchimp", "method": "GET", "route": "/ping"}
    before = value("mlc_vendor_requests_total", **labels, status="429")

    ended = watch_call(call_of(request))
    assert value("mlc_vendor_requests_total", **labels, status="429") == before
    ended("429")

    assert value("mlc_vendor_requests_total", **labels, status="429") == before + 1
    assert value("mlc_vendor_request_seconds_count", **labels) >= 1


def test_waiting_without_a_lease_is_counted_apart() -> None:
    before = value("mlc_limiter_degraded_total", vendor="sage_x3")

    note_wait("sage_x3", 0.2, leased=True)
    note_wait("sage_x3", 0.2, leased=False)

    assert value("mlc_limiter_degraded_total", vendor="sage_x3") == before + 1


def test_the_engines_news_is_counted() -> None:
    engine = EngineCounters()
    names = ("mlc_lease_takeovers_total", "mlc_leases_lost_total", "mlc_runs_in_hand", "mlc_pages_total")
    before = [value(name) for name in names]

    engine.claimed(taken_over=True)
    engine.remembered(TENANT, SYNC, 3, {"read": 5, "created": 5})
    engine.sliced("lost", 1.5)
    engine.finished("succeeded")

    assert [value(name) for name in names] == [before[0] + 1, before[1] + 1, before[2], before[3] + 3]
    counted = {"tenant_id": str(TENANT), "sync_id": str(SYNC), "outcome": "created"}
    assert value("mlc_records_total", **counted) == 5
    assert value("mlc_runs_finished_total", state="succeeded") >= 1


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        (b'{"kind":"interval","minutes":30}', 0.5),
        (b'{"kind":"daily","at":"02:30"}', 24),
        (b'{"kind":"weekly","days":["mon","tue"],"at":"02:30"}', 24 * 6),
        (b'{"kind":"cron","expression":"0 6 * * mon-fri"}', 72),
        (b'{"kind":"manual"}', None),
        (b'{"kind":"nonsense"}', None),
    ],
)
def test_a_schedule_has_a_longest_pause(schedule: bytes, hours: float | None) -> None:
    day = 739951  # far from any change of the clocks in UTC
    found = gap_seconds(schedule, "UTC", day)

    assert found == (hours * 3600 if hours is not None else None)


def test_every_family_is_documented_and_nothing_else_is() -> None:
    root = Path(__file__).parents[3]
    documented = set(
        re.findall(r"^\| `(mlc_[a-z_0-9]+)`", (root / "docs/reference/metrics.md").read_text("utf-8"), re.MULTILINE)
    )
    counted = {family.name for family in metrics.REGISTRY.collect() if family.name.startswith("mlc_")}
    counters = {family.name for family in metrics.REGISTRY.collect() if family.type == "counter"}
    measured = set(re.findall(r'_gauge\(\s*"(mlc_\w+)"', (root / "app/telemetry/measuring.py").read_text("utf-8")))

    assert measured
    assert documented == {f"{name}_total" if name in counters else name for name in counted} | measured


def test_measured_families_are_shown_after_what_was_counted() -> None:
    from prometheus_client.metrics_core import GaugeMetricFamily

    shown = metrics.page([GaugeMetricFamily("mlc_thing", "A thing", value=4)]).decode()

    assert shown.endswith("# HELP mlc_thing A thing\n# TYPE mlc_thing gauge\nmlc_thing 4.0\n")
    assert isinstance(metrics.REGISTRY, CollectorRegistry)
