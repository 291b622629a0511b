"""What load balancers and probes ask, without a key, by GET and by HEAD."""

import pytest

from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/version"])
async def test_probes_may_ask_for_the_head_alone(api: Api, path: str) -> None:
    whole = await api.get(path)
    head = await api.call("HEAD", path)

    assert (whole.status_code, head.status_code) == (200, 200)
    assert head.headers["content-type"] == whole.headers["content-type"]


async def test_what_is_there_is_named(api: Api) -> None:
    assert (await api.get("/readyz")).json() == {
        "status": "ready",
        "checks": {"postgres": "ok", "redis": "ok", "migrations": "ok"},
    }


async def test_a_process_that_lacks_something_is_not_ready_and_says_what(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone() -> None:
        raise ConnectionError

    monkeypatch.setattr(api.resources.redis, "ping", gone)

    response = await api.http.get("/readyz")  # 503 with the checks, not a problem

    assert response.status_code == 503
    assert response.json()["status"] == "not_ready"
    assert response.json()["checks"]["redis"] == "unreachable (ConnectionError)"
    assert (await api.http.head("/readyz")).status_code == 503
