import json
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import respx
from typer.testing import CliRunner

from app.cli.main import app

TENANT = UUID(int=1)
RUN = {
    "id": str(UUID(int=3)),
    "sync_id": str(UUID(int=2)),
    "mode": "delta",
    "state": "queued",
    "counts": {"read": 0, "created": 0, "updated": 0, "unchanged": 0, "skipped": 0, "rejected": 0},
    "progress": {"expected_records": 10},
    "queued_at": "2026-11-25T00:00:00Z",
    "reason": None,
}
runner = CliRunner()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLC_KEY", "the-key")
    monkeypatch.setenv("MLC_URL", "http://api.test")
    monkeypatch.setattr("app.cli.runs.POLL_SECONDS", 0)


@respx.mock
def test_a_page_is_shown_as_the_api_answered_it_when_asked_for_json() -> None:
    page = {"items": [{"id": str(TENANT), "slug": "acmé"}], "next_cursor": None}
    call = respx.get("http://api.test/v1/tenants").respond(json=page)

    result = runner.invoke(app, ["tenants", "list", "--json", "--limit", "3"])

    assert json.loads(result.stdout) == page
    assert call.calls.last.request.headers["Authorization"] == "Bearer the-key"
    assert call.calls.last.request.url.params["limit"] == "3"


@respx.mock
def test_a_problem_ends_the_command_with_its_sentence_and_code_one() -> None:
    problem = {
        "title": "Invalid",
        "status": 422,
        "detail": "1 field",
        "errors": [{"pointer": "/slug", "detail": "bad"}],
    }
    respx.post("http://api.test/v1/tenants").respond(422, json=problem)

    result = runner.invoke(app, ["tenants", "create", "Ä"])

    assert result.exit_code == 1
    assert result.stderr == "422 Invalid: 1 field\n  /slug: bad\n"


@respx.mock
def test_an_absent_api_ends_the_command_with_a_sentence() -> None:
    respx.get("http://api.test/v1/tenants").mock(side_effect=httpx.ConnectError("refused"))

    result = runner.invoke(app, ["tenants", "list"])

    assert result.exit_code == 1
    assert result.stderr.startswith("No answer from http://api.test")


def test_without_any_key_the_command_says_where_one_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLC_KEY")

    result = runner.invoke(app, ["tenants", "list"])

    assert result.exit_code == 2
    assert "--key" in result.stderr


@respx.mock
def test_the_operator_key_of_up_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLC_KEY")
    (tmp_path / ".ml-connector").mkdir()
    (tmp_path / ".ml-connector" / "operator.key").write_text("kept\n")
    call = respx.get("http://api.test/v1/tenants").respond(json={"items": [], "next_cursor": None})

    assert runner.invoke(app, ["tenants", "list"]).exit_code == 0
    assert call.calls.last.request.headers["Authorization"] == "Bearer kept"


@pytest.mark.parametrize(("end", "code"), [("succeeded", 0), ("partially_failed", 1), ("failed", 1), ("halted", 1)])
@respx.mock
def test_waiting_for_a_run_ends_with_what_became_of_it(end: str, code: int) -> None:
    runs = f"http://api.test/v1/tenants/{TENANT}"
    start = respx.post(f"{runs}/syncs/{UUID(int=2)}/runs").respond(202, json=RUN)
    respx.get(f"{runs}/runs/{UUID(int=3)}").mock(
        side_effect=[httpx.Response(200, json=RUN | {"state": state}) for state in ("running", end)]
    )

    result = runner.invoke(
        app, ["runs", "start", str(UUID(int=2)), "--tenant", str(TENANT), "--mode", "full", "--wait", "--json"]
    )

    assert json.loads(result.stdout)["state"] == end
    assert result.exit_code == code
    assert json.loads(start.calls.last.request.content) == {"mode": "full", "dry_run": False}
    assert start.calls.last.request.headers["Idempotency-Key"]


@respx.mock
def test_a_new_key_is_shown_whole_however_narrow_the_terminal() -> None:
    key = "mlc_" + "k" * 120
    respx.post(f"http://api.test/v1/tenants/{TENANT}/api-keys").respond(201, json={"id": str(TENANT), "key": key})

    result = runner.invoke(app, ["tenants", "add-key", str(TENANT), "ops"], env={"COLUMNS": "60"})

    assert sum(line.count("k") for line in result.stdout.splitlines()) >= 120
    assert "…" not in result.stdout
