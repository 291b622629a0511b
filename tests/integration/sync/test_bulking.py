"""Large updates as batches of operations: every row accounted for, one at a time, found again after a crash."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from app.db import batches
from app.db.engine import Database
from app.domain.errors import ConnectorError, RecordRejected, Transient
from app.sync.bulk_settling import settle_left_behind
from app.sync.opened import OpenRun
from app.sync.ports import MirrorRow, RowError
from tests.fakes import FakeMailchimp, Row, World, counts

pytestmark = pytest.mark.integration


class FakeBulk:
    """Carries a batch out when its answers are asked for."""

    largest = 1000

    def __init__(self, mailchimp: FakeMailchimp) -> None:
        self.mailchimp = mailchimp
        self.taken: dict[str, tuple[UUID, Sequence[tuple[bytes, bytes]]]] = {}
        self.cancelled: list[str] = []
        self.unanswered: set[bytes] = set()
        self.loses_answers = 0
        self.finished = False
        self.most_at_once = 0

    async def submit(self, id_: UUID, rows: Sequence[tuple[bytes, bytes]]) -> str:
        vendor_id = f"batch-{len(self.taken)}"
        self.taken[vendor_id] = (id_, rows)
        if self.loses_answers:
            self.loses_answers -= 1
            raise Transient("mailchimp_no_answer", "No answer came.", outcome_unknown=True)
        return vendor_id

    async def answers(
        self, vendor_id: str, rows: Sequence[tuple[bytes, bytes]], *, seconds: float
    ) -> dict[int, MirrorRow | ConnectorError]:
        found: dict[int, MirrorRow | ConnectorError] = {}
        for place, (hash_, fragment) in enumerate(self.taken[vendor_id][1]):
            if hash_ in self.unanswered:
                continue
            try:
                found[place] = await self.mailchimp.update(hash_, None, fragment, {})
            except ConnectorError as error:
                found[place] = error
        return found

    async def find(self, id_: UUID, since: datetime, operations: int) -> str | None:
        return next((v for v, (ours, rows) in self.taken.items() if ours == id_ and len(rows) == operations), None)

    async def over(self, vendor_id: str) -> bool:
        return self.finished

    async def cancel(self, vendor_id: str) -> None:
        self.cancelled.append(vendor_id)


@pytest.fixture
async def world(database: Database) -> World:
    world = await World(database).set_up()
    world.x3.page_size = 50
    world.x3.put(*(Row(f"C{n:03d}", f"c{n}@acme.test", f"Company {n}") for n in range(1, 41)))
    await world.run()
    world.bulk = FakeBulk(world.mailchimp)
    world.bulk_from = 10
    world.x3.put(*(Row(f"C{n:03d}", f"c{n}@acme.test", f"Renamed {n}") for n in range(1, 41)))
    world.mailchimp.calls.clear()
    return world


def bulk_of(world: World) -> FakeBulk:
    assert isinstance(world.bulk, FakeBulk)
    return world.bulk


def names(world: World) -> list[str]:
    return [str(person.fields["COMPANY"]) for person in world.mailchimp.people.values()]


@pytest.fixture(autouse=True)
def without_direct_senders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the batch have the rows before the single calls take them."""
    from app.sync import bulking

    monkeypatch.setattr(bulking, "LOOK_SECONDS", 0.0)


async def test_many_updates_go_as_batches_and_each_is_accounted_for(world: World) -> None:
    done = await world.run("full")

    assert counts(done) == {"read": 40, "updated": 40}
    assert all(name.startswith("Renamed") for name in names(world))
    sent = [rows for _, rows in bulk_of(world).taken.values()]
    assert sent
    assert all(len(rows) >= 10 for rows in sent)
    assert await world.fetch("select state from batch where kind = 'bulk'") == [("done",)] * len(sent)


async def test_a_refused_row_is_parked_and_a_vanished_one_made_again(world: World) -> None:
    world.mailchimp.refusals["c38@acme.test"] = RowError("invalid_merge_field", "no")
    del world.mailchimp.people[world.mailchimp.hash("c39@acme.test")]

    done = await world.run("full")

    assert counts(done) == {"read": 40, "created": 1, "updated": 38, "rejected": 1}
    assert (await world.record("C038"))["reason"] == "invalid_merge_field"
    assert world.mailchimp.of("c39@acme.test") is not None


async def test_rows_the_results_do_not_name_are_sent_singly(world: World) -> None:
    bulk_of(world).unanswered = {world.mailchimp.hash(f"c{n}@acme.test") for n in range(20, 41)}

    done = await world.run("full")

    assert counts(done) == {"read": 40, "updated": 40}
    assert all(name.startswith("Renamed") for name in names(world))


async def test_a_submission_without_an_answer_is_looked_for_and_not_sent_twice(world: World) -> None:
    bulk_of(world).loses_answers = 1

    done = await world.run("full")

    assert counts(done) == {"read": 40, "updated": 40}
    sent = [hash_ for _, rows in bulk_of(world).taken.values() for hash_, _ in rows]
    assert sent
    assert len(sent) == len(set(sent))


async def test_few_updates_are_sent_singly(world: World) -> None:
    world.bulk_from = 100

    assert counts(await world.run("full")) == {"read": 40, "updated": 40}
    assert bulk_of(world).taken == {}


async def left_behind(world: World, vendor_id: str | None) -> tuple[OpenRun, UUID]:
    """A batch that a run which is gone announced, and a later run."""
    gone = await world.claimed(await world.queued("full"))
    assert gone is not None
    batch_id = uuid4()
    pairs = [(world.mailchimp.hash("c1@acme.test"), bytes(16))]
    async with world.database.transaction(world.tenant) as c:
        assert await batches.announce_bulk(
            c,
            world.tenant,
            batch_id,
            gone.run_id,
            gone.fence,
            gone.audience_id,
            gone.sync["target_connection_id"],
            batches.packed(pairs),
        )
        if vendor_id is not None:
            await batches.note_vendor_id(c, world.tenant, batch_id, vendor_id)
        await c.execute("update sync_run set state = 'failed' where id = $1", gone.run_id)
    bulk_of(world).taken["batch-x"] = (batch_id, [(pairs[0][0], b"")])
    run = await world.claimed(await world.queued("full"))
    assert run is not None
    return run, batch_id


@pytest.mark.parametrize("vendor_id", ["batch-x", None])
async def test_a_batch_left_behind_is_stopped_and_its_members_are_left_alone(
    world: World, vendor_id: str | None
) -> None:
    run, batch_id = await left_behind(world, vendor_id)

    await settle_left_behind(run, bulk_of(world))

    assert bulk_of(world).cancelled == ["batch-x"]
    (row,) = await world.fetch("select kind, state from batch where id = $1", batch_id)
    assert (row["kind"], row["state"]) == ("update", "sending")  # its members wait out the settle time


async def test_a_batch_left_behind_that_is_finished_is_done_with(world: World) -> None:
    run, batch_id = await left_behind(world, None)
    bulk_of(world).finished = True

    await settle_left_behind(run, bulk_of(world))

    assert bulk_of(world).cancelled == []
    (row,) = await world.fetch("select kind, state from batch where id = $1", batch_id)
    assert (row["kind"], row["state"]) == ("bulk", "done")


async def test_one_batch_of_a_connection_is_under_way_at_a_time(world: World) -> None:
    run, batch_id = await left_behind(world, "batch-x")
    connection_id = run.sync["target_connection_id"]

    async with world.database.transaction(world.tenant) as c:
        assert await batches.bulk_under_way(c, world.tenant, connection_id)
        await batches.close_bulk(c, world.tenant, batch_id, finished=True)
        assert not await batches.bulk_under_way(c, world.tenant, connection_id)


def test_errors_of_operations_are_those_of_direct_calls() -> None:
    from app.connectors.mailchimp.archives import OperationResult

    gone = OperationResult(404, "a.0", '{"title": "Resource Not Found", "status": 404, "detail": "no", "type": "x"}')
    error = gone.failure("/lists/L/members/0123")
    assert isinstance(error, RecordRejected)
    assert error.code == "member_gone"
