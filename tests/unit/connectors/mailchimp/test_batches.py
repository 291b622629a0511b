import io
import json
import tarfile
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.connectors.mailchimp import archives
from app.connectors.mailchimp.archives import OperationResult, read_archive
from app.connectors.mailchimp.batches import Batches, Operation
from app.domain.errors import ProtocolMismatch, RecordRejected, Transient
from tests.unit.connectors.mailchimp.scripted import Reply, Script, a_member, ok, problem

PATH = "/lists/L/members/2b9150605ac374d671a306b5fcee60a0"
URL = "https://storage.test/results.tar.gz?signature=1"


def an_archive(*files: object) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("results/"))
        for place, content in enumerate(files):
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            entry = tarfile.TarInfo(f"{place}.json")
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
    return made.getvalue()


def a_result(id_: str, status: int = 200, response: Any = None) -> dict[str, Any]:
    return {"status_code": status, "operation_id": id_, "response": json.dumps(response or a_member())}


def a_batch(status: str = "finished", **more: Any) -> httpx.Response:
    return ok({"id": "b1", "status": status, "response_body_url": URL, "submitted_at": "", **more})


def batches(api: Script, store: Script | None = None, waits: list[float] | None = None) -> Batches:
    async def sleep(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)

    transport = httpx.MockTransport(store or Script(problem(500)))
    return Batches(api.client(), httpx.AsyncClient(transport=transport), sleep=sleep)


def read(content: bytes) -> list[OperationResult]:
    found: list[OperationResult] = []
    read_archive(content, found.append)
    return found


async def results_of(batches: Batches) -> list[OperationResult]:
    found: list[OperationResult] = []
    await batches.results("b1", found.append)
    return found


async def test_operations_carry_their_body_as_text() -> None:
    script = Script(a_batch("pending"))
    operations = [Operation("PATCH", PATH, "r1", '{"language":"fr"}'), Operation("DELETE", PATH, "r2")]
    assert (await batches(script).submit(operations)).id == "b1"
    assert script.body() == {
        "operations": [
            {"method": "PATCH", "path": PATH, "operation_id": "r1", "body": '{"language":"fr"}'},
            {"method": "DELETE", "path": PATH, "operation_id": "r2"},
        ]
    }


async def test_a_submission_of_unknown_outcome_is_not_repeated_and_can_be_found() -> None:
    script = Script(httpx.ReadTimeout("late"))
    with pytest.raises(Transient):
        await batches(script).submit([Operation("DELETE", PATH, "r")])
    assert len(script.requests) == 1

    times = ("2026-03-01T10:00:00+00:00", "2026-03-01T09:59:00+00:00", "")
    script = Script(ok({"batches": [{"id": f"b{place}", "submitted_at": time} for place, time in enumerate(times)]}))
    found = await batches(script).submitted_since(datetime(2026, 3, 1, 10, tzinfo=UTC))
    assert [batch.id for batch in found] == ["b0"]


async def test_waiting_polls_more_and_more_slowly_and_gives_up_in_time() -> None:
    waits: list[float] = []
    script = Script(a_batch("pending"), a_batch("started"), a_batch("finalizing"), a_batch())
    assert (await batches(script, waits=waits).wait("b1", seconds=600)).finished
    assert waits == [5, 10, 20]
    with pytest.raises(Transient):
        await batches(Script(a_batch("started"))).wait("b1", seconds=3)


async def test_results_come_from_every_file_and_without_our_key() -> None:
    store = Script(httpx.Response(200, content=an_archive([a_result("r1")], [a_result("r2"), a_result("r3", 400)])))
    results = await results_of(batches(Script(a_batch()), store))
    assert [(result.operation_id, result.ok) for result in results] == [("r1", True), ("r2", True), ("r3", False)]
    assert "Authorization" not in store.requests[0].headers


async def test_an_expired_address_is_asked_for_anew_but_not_for_ever() -> None:
    archive = httpx.Response(200, content=an_archive([a_result("r1")]))
    api = Script(a_batch(), a_batch(response_body_url=f"{URL}2"))
    store = Script(httpx.Response(403, text="<Error>expired"), httpx.ReadError("cut"), archive)
    assert len(await results_of(batches(api, store))) == 1
    assert str(store.requests[-1].url) == f"{URL}2"

    api = Script(a_batch())
    with pytest.raises(Transient):
        await results_of(batches(api, Script(httpx.Response(403))))
    assert len(api.requests) == 3


@pytest.mark.parametrize("status", ["started", "finalizing"])
async def test_results_of_an_unfinished_batch_are_not_there_yet(status: str) -> None:
    with pytest.raises(Transient):
        await results_of(batches(Script(a_batch(status))))


async def test_a_batch_mailchimp_has_forgotten_is_said_to_be_gone() -> None:
    with pytest.raises(RecordRejected):
        await batches(Script(problem(404))).status("b1")


def test_an_operation_fails_as_the_direct_call_would() -> None:
    gone = problem(404, "Resource Not Found").json()
    taken = problem(400, "Invalid Resource", '"a@x.test" is already in this list').json()
    results = read(an_archive([a_result("1"), a_result("2", 404, gone), a_result("3", 400, taken)]))
    failures = [result.failure(PATH) for result in results]
    assert [failure and failure.code for failure in failures] == [None, "member_gone", "address_taken"]
    busy = read(an_archive([{"status_code": 429, "operation_id": "4"}]))[0]
    assert isinstance(busy.failure(PATH), Transient)


@pytest.mark.parametrize("damage", [b"", b"<html>", an_archive([a_result("r")])[:-40], an_archive(b"[{")])
def test_a_damaged_archive_is_fetched_again_later(damage: bytes) -> None:
    with pytest.raises(Transient):
        read(damage)


def test_an_archive_of_another_shape_or_size_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProtocolMismatch):
        read(an_archive({"no": "list"}))
    monkeypatch.setattr(archives, "_MOST_BYTES", 100)
    with pytest.raises(ProtocolMismatch):
        read(an_archive([a_result("r1"), a_result("r2")]))


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_one_to_a_thousand_operations(count: int) -> None:
    script: Script = Script(a_batch())
    with pytest.raises(ValueError, match="1000"):
        await batches(script).submit([Operation("DELETE", PATH, "r")] * count)


@pytest.mark.parametrize("reply", [httpx.Response(302), httpx.Response(418)])
async def test_a_store_that_answers_strangely_is_our_problem(reply: Reply) -> None:
    with pytest.raises(ProtocolMismatch):
        await results_of(batches(Script(a_batch()), Script(reply)))
