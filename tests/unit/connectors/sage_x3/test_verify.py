"""Verification never raises for the vendor's failures and says what to do."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from app.connectors.sage_x3.paths import candidates
from sandbox.x3.state import Settings
from tests.unit.connectors.sage_x3.conftest import URL, FakeX3, fake_x3


async def test_everything_in_order_is_ok_and_the_facts_are_kept(x3: FakeX3) -> None:
    found = await x3.verify()

    assert found.ok, found.checks
    assert [check.name for check in found.checks] == [
        "reachability", "authentication", "clock", "schema", "paths", "page_size", "reading", "count",
    ]  # fmt: skip
    assert found.facts["graphql_url"] == URL
    assert found.facts["generation"] == "x3"
    assert abs(found.facts["clock_skew_seconds"]) <= 3  # type: ignore[arg-type]  # a number
    assert found.facts["count"] == len(x3.codes)
    assert set(found.facts["paths"]["customers"]) == set(candidates("customers", "x3", {}))  # type: ignore[index]  # a dict


@pytest.mark.parametrize("generation", ["x3", "xtremX3"])
async def test_probing_finds_what_introspection_would_have_found(generation: str) -> None:
    open_x3 = fake_x3(Settings(generations=(generation,)), customers=10, suppliers=10)
    closed = fake_x3(Settings(generations=(generation,), introspection=False), customers=10, suppliers=10)

    seen, probed = await open_x3.verify(), await closed.verify()

    assert probed.ok, probed.checks
    assert seen.facts["introspection"]
    assert not probed.facts["introspection"]
    for fact in ("generation", "paths", "lanes", "missing_paths"):
        assert probed.facts[fact] == seen.facts[fact]


async def test_a_clock_that_is_off_is_reported() -> None:
    found = await fake_x3(Settings(clock_skew_seconds=-600)).verify()

    assert found.facts["clock_skew_seconds"] == pytest.approx(-600, abs=3)
    assert "clocks" in found.checks[2].detail


@pytest.mark.parametrize(
    ("changes", "check", "word"),
    [
        ({"credential": {"client_id": "x", "client_secret": "y" * 40}}, "authentication", "client id"),
        ({"settings": {"jwt_audience": "https://other.test"}}, "authentication", "https://other.test"),
        ({"settings": {"endpoint": "NOWHERE"}}, "reachability", "endpoint"),
        ({"url": "https://x3.acme.test:8124/elsewhere"}, "reachability", "URL"),
        ({"settings": {"generation": "xtremX3"}}, "paths", "cannot be read"),
        ({"settings": {"page_size": -1}}, "settings", "page_size"),
        ({"kind": "graphql_oauth"}, "authentication", "authorised"),
    ],
)
async def test_a_wrong_connection_gets_a_sentence(
    x3: FakeX3, changes: dict[str, object], check: str, word: str
) -> None:
    found = await x3.verify(**changes)

    failed = [each for each in found.checks if not each.ok]
    assert not found.ok
    assert [each.name for each in failed][:1] == [check]
    assert word in failed[0].detail


@pytest.mark.parametrize(
    "kind", ["html", "unavailable", "throttled", "truncated", "close", "graphql_errors", "html403"]
)
async def test_a_vendor_that_is_down_is_not_our_error(x3: FakeX3, kind: str) -> None:
    x3.fault(kind, count=None)

    found = await x3.verify()

    assert not found.ok
    assert found.checks[-1].detail


async def test_the_page_size_this_x3_can_bear_is_found_out(x3: FakeX3) -> None:
    message = "The query exceeds the limit"
    x3.http.event_hooks = {"request": [_refuse_large(x3, message)]}

    found = await x3.verify()

    assert found.ok, found.checks
    assert found.facts["page_size"] == 125


def _refuse_large(x3: FakeX3, message: str) -> Callable[[httpx.Request], Awaitable[None]]:
    async def refuse(request: httpx.Request) -> None:
        if b"first:500" in request.content or b"first:250" in request.content:
            x3.fault("graphql_errors", message=message)

    return refuse


async def test_somebody_at_a_screen_does_not_wait_for_minutes(x3: FakeX3, waits: list[float]) -> None:
    x3.fault("unavailable", count=None)

    found = await x3.verify()

    assert not found.ok
    assert len(waits) == 1
