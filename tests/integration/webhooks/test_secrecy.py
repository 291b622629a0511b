"""Neither a secret path nor a person shows anywhere it should not, and a wrong path cannot be told by its time."""

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog

from app.api import hooks
from app.telemetry import set_up_logging
from tests.fixtures.site import Site
from tests.integration.webhooks.test_delivering import ADA, a_body, send, signed

pytestmark = pytest.mark.integration


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What the product's own logging has written by now."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    set_up_logging("json")
    yield lambda: capsys.readouterr().err
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


async def broken(*_: Any, **__: Any) -> tuple[int, int]:
    raise RuntimeError("something of ours broke")


async def test_logs_and_metrics_hold_no_path_and_no_person(
    site: Site, monkeypatch: pytest.MonkeyPatch, written: Callable[[], str]
) -> None:
    made = await site.hook()
    url = made["url"]
    secret = url.rpartition("/")[2]

    assert (await signed(site, url, a_body(site))).status_code == 200
    assert (await send(url, a_body(site))).status_code == 400
    assert (await send(url, b"", "PUT")).status_code == 405
    assert (await send(url + "x", b"", "GET")).status_code == 404
    assert (await send(f"{url}?email={ADA}", b"x" * 300_000)).status_code == 413
    monkeypatch.setattr(hooks, "receive", broken)
    failed = await signed(site, url, a_body(site))
    assert failed.status_code == 500
    await site.process()
    await site.api.post(f"{site.hooks}/{made['id']}/rotate")
    metrics = (await site.api.get("/metrics")).text

    log = written()
    assert "request.failed" in log
    assert "RuntimeError" in log
    assert "webhook_events.processed" in log
    for text in (log, metrics, failed.text):
        assert secret not in text
        assert secret[12:] not in text
        assert "acme.test" not in text
    assert '/hooks/mailchimp/{secret}",status="404"' in metrics
    assert 'mlc_webhook_events_total{kind="audience",result="refused"}' in metrics


async def test_a_wrong_path_takes_as_long_as_a_right_one(site: Site) -> None:
    made = await site.hook()
    base, _, segment = made["url"].rpartition("/")
    paths = {"right": segment, "wrong": segment[:12] + "0" * 43, "unknown": "0" * 55, "malformed": "x"}
    times: dict[str, list[float]] = {name: [] for name in paths}

    async with httpx.AsyncClient(trust_env=False) as http:
        for _ in range(80):
            for name, path in paths.items():
                began = time.perf_counter()
                await http.get(f"{base}/{path}")
                times[name].append(time.perf_counter() - began)

    middle = {name: statistics.median(values[10:]) for name, values in times.items()}
    assert max(middle.values()) < 2 * min(middle.values()), middle
