"""Rows of one kind as a batch of operations: handed over under our ids, accounted for one by one."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.connectors.mailchimp.bulk import BatchDesk, Bulk, member_updates
from app.connectors.mailchimp.stores import MailchimpStore
from app.domain.commerce import Cancellation, Order, OrderLine
from app.domain.errors import ProtocolMismatch, RecordRejected, Transient
from app.domain.member import subscriber_hash
from tests.unit.connectors.mailchimp.scripted import Script, ok, problem
from tests.unit.connectors.mailchimp.test_batches import a_batch, a_result, an_archive, batches

OURS = UUID("0190f7a3-0000-7000-8000-000000000001")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
LINE = OrderLine("1", "PEN", "PEN", 2, Decimal("9.90"))


def an_order(number: str) -> Order:
    return Order(number, "C1", "EUR", Decimal("19.80"), (LINE,))


ROWS: list[Order | Cancellation] = [an_order("INV/1"), an_order("INV2"), Cancellation("INV3", NOW)]


def orders(api: Script, store: Script | None = None) -> Bulk[Order | Cancellation, str]:
    return MailchimpStore(api.client(), "x3-eur").bulk(batches(api, store))


def archive(*results: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, content=an_archive(list(results)))


def done(place: int, status: int = 200, response: Any = None) -> dict[str, Any]:
    return a_result(f"{OURS.hex}.{place}", status, response or {"id": f"INV{place}"})


async def test_orders_are_handed_over_as_the_single_calls_would_send_them() -> None:
    script = Script(a_batch("pending"))

    assert await orders(script).submit(OURS, ROWS) == "b1"

    sent = script.body()["operations"]
    assert [(each["method"], each["path"]) for each in sent] == [
        ("PUT", "/ecommerce/stores/x3-eur/orders/INV%2F1"),
        ("PUT", "/ecommerce/stores/x3-eur/orders/INV2"),
        ("PATCH", "/ecommerce/stores/x3-eur/orders/INV3"),
    ]
    assert [each["operation_id"] for each in sent] == [f"{OURS.hex}.{place}" for place in range(3)]
    assert json.loads(sent[0]["body"])["order_total"] == 19.8
    assert json.loads(sent[2]["body"])["financial_status"] == "cancelled"


async def test_each_row_gets_the_answer_or_the_error_of_its_single_call() -> None:
    missing = problem(400, "Bad Request", "A product with the provided ID does not exist in the account").json()
    store = Script(archive(done(2, 404, problem(404).json()), done(1, 400, missing), done(0)))

    found = await orders(Script(a_batch()), store).answers("b1", ROWS, seconds=60)

    assert found[0] == "INV0"
    assert [getattr(found[place], "code", None) for place in (1, 2)] == ["product_missing", "not_found"]


async def test_rows_that_are_missing_or_not_ours_are_left_out() -> None:
    store = Script(archive(done(1), a_result("somebody-else"), a_result(f"{OURS.hex}.77")))

    found = await orders(Script(a_batch()), store).answers("b1", ROWS, seconds=60)

    assert found == {1: "INV1"}


async def test_a_busy_operation_is_of_no_account_and_a_strange_one_is_ours_to_mend() -> None:
    store = Script(archive(done(0, 429, {"title": "TooManyRequests"}), done(1, 200, [1])))

    found = await orders(Script(a_batch()), store).answers("b1", ROWS, seconds=60)

    assert isinstance(found[0], Transient)
    assert isinstance(found[1], ProtocolMismatch)


@pytest.mark.parametrize("lost", [httpx.Response(403), httpx.Response(200, content=b"<html>")])
async def test_results_that_cannot_be_had_are_unknown_and_hold_nobody_up(lost: httpx.Response) -> None:
    assert await orders(Script(a_batch()), Script(lost)).answers("b1", ROWS, seconds=60) == {}


async def test_members_are_changed_without_a_status() -> None:
    script = Script(a_batch("pending"))
    hash_ = subscriber_hash("ada@acme.test")

    await member_updates(batches(script), "L").submit(OURS, [(hash_, b'"language":"fr"')])

    (sent,) = script.body()["operations"]
    assert sent["path"] == f"/lists/L/members/{hash_.hex()}?skip_merge_validation=true"
    assert json.loads(sent["body"]) == {"language": "fr"}


def listed(*found: dict[str, Any]) -> httpx.Response:
    return ok({"batches": [{"submitted_at": "2026-03-01T00:00:00+00:00", **batch} for batch in found]})


async def test_a_batch_is_found_by_our_ids_among_those_of_others() -> None:
    api = Script(
        listed(
            {"id": "theirs", "status": "finished", "total_operations": 3},
            {"id": "small", "status": "finished", "total_operations": 2},
            {"id": "ours", "status": "finished", "total_operations": 3},
        ),
        a_batch(id="theirs"),
        a_batch(id="ours"),
    )
    store = Script(archive(a_result("x")), archive(done(0), done(1), done(2)))

    assert await BatchDesk(batches(api, store)).find(OURS, NOW, 3) == "ours"


async def test_results_that_are_gone_hold_nobody_up() -> None:
    api = Script(listed({"id": "old", "status": "finished", "total_operations": 3}), a_batch())

    assert await BatchDesk(batches(api, Script(httpx.Response(403)))).find(OURS, NOW, 3) is None


async def test_a_batch_that_may_be_ours_is_waited_for() -> None:
    api = Script(listed({"id": "b1", "status": "started", "total_operations": 0}), a_batch("started"))

    with pytest.raises(Transient):
        await BatchDesk(batches(api)).find(OURS, NOW, 3)


async def test_only_a_finished_batch_is_over_and_a_forgotten_one_counts_as_stopped() -> None:
    assert await BatchDesk(batches(Script(a_batch()))).over("b1")
    assert not await BatchDesk(batches(Script(a_batch("finalizing")))).over("b1")
    gone = Script(problem(404))
    assert not await BatchDesk(batches(gone)).over("b1")
    await BatchDesk(batches(gone)).cancel("b1")

    with pytest.raises(RecordRejected):
        await BatchDesk(batches(Script(problem(400)))).cancel("b1")
