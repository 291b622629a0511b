"""In-memory stand-ins for both vendors that satisfy app/sync/ports.py, and a small world around one sync.

The fake Mailchimp keeps its own consent ledger: every status it ever gave a person, and every move upwards.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from app.connections.vault import TenantKeys
from app.connectors.mailchimp.payloads import encode_fragment
from app.db import audiences, audit, runs
from app.db.engine import Database
from app.domain.consent import rank
from app.domain.errors import RecordRejected
from app.domain.inactive import parse_inactive
from app.domain.mapping import compile_mapping, parse_mapping
from app.domain.member import subscriber_hash
from app.domain.party import Changes, Contact, Party, Refusal, Selection, SourcePage
from app.domain.planning import Policy
from app.domain.watermark import lower_bound
from app.sync import ending
from app.sync.braking import brake_of
from app.sync.opened import OpenRun, Pace
from app.sync.pages import Position, restored
from app.sync.ports import BulkUpdater, Inserted, MirrorRow, NewMember, RowError
from app.sync.reconciling import Reconciler
from app.sync.run import carry
from app.sync.starting import start_run

DEFINITION = {
    "stream": "customers",
    "email": {"sources": ["default_address.emails"], "mode": "per_party"},
    "fields": [
        {"target": "COMPANY", "source": "name", "when_blank": "clear"},
        {"target": "COUNTRY", "source": "country"},
    ],
    "tags": [{"name": "x3-customer"}],
    "language": None,
}


@dataclass
class Row:
    """A customer of the fake X3."""

    code: str
    email: str | None = None
    name: str = "Acme"
    country: str | None = "FR"
    active: bool = True
    prohibited: bool = False
    contacts: Mapping[str, str] = field(default_factory=dict)  # code of the contact: its address
    stamp: datetime = field(default_factory=lambda: datetime.now(UTC))


class FakeX3:
    """Rows by code, read in key order in small pages."""

    def __init__(self, page_size: int = 5) -> None:
        self.rows: dict[str, Row] = {}
        self.page_size = page_size
        self.refused: set[str] = set()
        self.selection = Selection("customers")
        self.reads = 0
        self.rows_read = 0
        self.before_page: Callable[[], None] = lambda: None

    @property
    def warnings(self) -> Sequence[str]:
        return ()

    def put(self, *rows: Row) -> None:
        for row in rows:
            self.rows[row.code] = row

    async def clock(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=1)

    async def count(self) -> int | None:
        return 1_000_000 if len(self.rows) > 3 else len(self.rows)

    async def bounds(self) -> tuple[str, str] | None:
        return (min(self.rows), max(self.rows)) if self.rows else None

    async def scan(self, after: str | None, until: str | None) -> AsyncIterator[SourcePage]:
        codes = sorted(c for c in self.rows if (after is None or c > after) and (until is None or c <= until))
        async for page in self._pages(codes):
            yield page

    async def can_tell_changes(self) -> bool:
        return True

    async def changes(self, since: datetime) -> AsyncIterator[Changes]:
        yield Changes("customer", tuple(code for code, row in self.rows.items() if row.stamp >= since))

    async def by_codes(self, codes: Sequence[str]) -> AsyncIterator[SourcePage]:
        async for page in self._pages([code for code in sorted(codes) if code in self.rows]):
            yield page

    async def _pages(self, codes: Sequence[str]) -> AsyncIterator[SourcePage]:
        for start in range(0, len(codes), self.page_size):
            self.before_page()
            await asyncio.sleep(0)
            part = codes[start : start + self.page_size]
            self.reads += 1
            self.rows_read += len(part)
            refused = tuple(Refusal(c, "x3_row_refused", "X3 refuses this row.") for c in part if c in self.refused)
            parties = tuple(self._party(self.rows[code]) for code in part if code not in self.refused)
            yield SourcePage(parties, refused, part[-1])

    def _party(self, row: Row) -> Party:
        values = {"name": row.name, "country": row.country, "code": row.code, "is_active": row.active}
        emails = (row.email,) if row.email is not None else ()
        return Party(
            row.code,
            row.active,
            row.prohibited,
            tuple(emails for _ in self.selection.email_sources),
            tuple(values.get(name) for name in self.selection.fields),
            tuple(Contact(code, (email,), False, ()) for code, email in row.contacts.items()),
        )


@dataclass
class Person:
    """A member of the fake audience."""

    email: str
    status: str
    fields: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    by_user: bool = False


class FakeMailchimp:
    """One audience with Mailchimp's consent rules and a ledger of upward moves."""

    def __init__(self) -> None:
        self.people: dict[bytes, Person] = {}
        self.forgotten: set[bytes] = set()
        self.refusals: dict[str, RowError] = {}
        self.upward: list[tuple[str, str, str]] = []
        self.calls: list[str] = []
        self.in_flight: set[bytes] = set()
        self.overlaps = 0
        self.before_answer: Callable[[str], None] = lambda _call: None
        self.drop_rows: set[str] = set()

    def of(self, email: str) -> Person | None:
        return self.people.get(subscriber_hash(email))

    @staticmethod
    def hash(email: str) -> bytes:
        return subscriber_hash(email)

    def join(self, email: str, tags: Iterable[str] = ()) -> None:
        """Somebody becomes a member without us."""
        self.people[subscriber_hash(email)] = Person(email, "subscribed", tags=set(tags))

    def opt_out(self, email: str) -> None:
        person = self.people[subscriber_hash(email)]
        person.status, person.by_user = "unsubscribed", True

    def forget(self, email: str) -> None:
        self.people.pop(subscriber_hash(email), None)
        self.forgotten.add(subscriber_hash(email))

    def _set(self, person: Person, status: str) -> None:
        if rank(status) < rank(person.status):
            self.upward.append((person.email, person.status, status))
        person.status = status

    async def _busy(self, call: str, hashes: Iterable[bytes]) -> None:
        mine = set(hashes)
        self.overlaps += len(mine & self.in_flight)
        self.in_flight |= mine
        self.calls.append(call)
        await asyncio.sleep(0.001)
        self.in_flight -= mine
        self.before_answer(call)

    async def insert(self, rows: Sequence[NewMember], status: str) -> Inserted:
        created, exists, refused = {}, set(), {}
        for row in rows:
            if row.hash in self.people:
                exists.add(row.hash)
            elif row.hash in self.forgotten:
                refused[row.hash] = RowError("forgotten", "was permanently deleted")
            elif row.email in self.refusals:
                refused[row.hash] = self.refusals[row.email]
            else:
                fields = msgspec.json.decode(b"{" + row.fragment + b"}").get("merge_fields", {})
                self.people[row.hash] = Person(row.email, status, fields, set(row.tags))
                if row.email in self.drop_rows:
                    self.drop_rows.discard(row.email)
                else:
                    created[row.hash] = status
        await self._busy("insert", [row.hash for row in rows])
        return Inserted(created, frozenset(exists), refused)

    async def update(self, hash_: bytes, email: str | None, fragment: bytes, fill: Mapping[str, object]) -> MirrorRow:
        await self._busy("update", [hash_])
        person = self.people.get(hash_)
        if person is None:
            raise RecordRejected("member_gone", "no such member")
        if (email or person.email) in self.refusals:
            error = self.refusals[email or person.email]
            raise RecordRejected(error.reason, error.message)
        if email is not None and subscriber_hash(email) in self.forgotten:
            raise RecordRejected("forgotten", "was permanently deleted")
        if email is not None and subscriber_hash(email) != hash_:
            if subscriber_hash(email) in self.people:
                raise RecordRejected("address_taken", "already in this list")
            del self.people[hash_]
            person.email = email
            self.people[subscriber_hash(email)] = person
        person.fields.update(msgspec.json.decode(b"{" + fragment + b"}").get("merge_fields", {}))
        return self._row(person)

    async def restore(self, hash_: bytes, email: str, fragment: bytes, status_if_new: str) -> MirrorRow:
        await self._busy("restore", [hash_])
        person = self.people.setdefault(hash_, Person(email, "archived"))
        if person.status == "archived":
            person.status = status_if_new
        person.fields.update(msgspec.json.decode(b"{" + fragment + b"}").get("merge_fields", {}))
        return self._row(person)

    async def read(self, hash_: bytes) -> MirrorRow | None:
        person = self.people.get(hash_)
        return None if person is None else self._row(person)

    async def archive(self, hash_: bytes) -> None:
        await self._busy("archive", [hash_])
        if hash_ in self.people:
            self._set(self.people[hash_], "archived")

    async def unsubscribe(self, hash_: bytes) -> MirrorRow:
        await self._busy("unsubscribe", [hash_])
        self._set(self.people[hash_], "unsubscribed")
        return self._row(self.people[hash_])

    async def set_tags(self, hash_: bytes, on: Sequence[str], off: Sequence[str]) -> None:
        await self._busy("tags", [hash_])
        self.people[hash_].tags = (self.people[hash_].tags | set(on)) - set(off)

    async def tag_many(self, tag: str, add: Sequence[str], remove: Sequence[str]) -> None:
        await self._busy("tags", ())
        for email in add:
            self.people[subscriber_hash(email)].tags.add(tag)
        for email in remove:
            self.people[subscriber_hash(email)].tags.discard(tag)

    async def members(self, *, since: datetime | None, whole: bool = False) -> AsyncIterator[Sequence[MirrorRow]]:
        self.calls.append("members")
        yield [self._row(person) for person in self.people.values()]

    @staticmethod
    def _row(person: Person) -> MirrorRow:
        return MirrorRow(
            subscriber_hash(person.email), person.status, None, person.email, dict(person.fields), tuple(person.tags)
        )


class World:
    """A tenant with one sync between the fakes, on a real database."""

    def __init__(
        self, database: Database, *, inactive: Mapping[str, Any] | None = None, status: str = "subscribed"
    ) -> None:
        self.database = database
        self.x3, self.mailchimp = FakeX3(), FakeMailchimp()
        self.tenant, self.sync = uuid4(), uuid4()
        self.inactive = parse_inactive(inactive)
        self.status = status
        self.bulk: BulkUpdater | None = None
        self.bulk_from = 1000
        self.definition: dict[str, Any] = dict(DEFINITION)
        self.keys = TenantKeys(self.tenant, bytes(range(32)))
        self.pace = Pace(senders=3, readers=3, settle_seconds=0.2)
        self.audience: UUID | None = None
        self.brake: dict[str, Any] = {}

    async def set_up(self) -> "World":
        ids = {name: uuid4() for name in ("x3", "mc", "mapping")}
        async with self.database.system() as system:
            await system.execute(
                "insert into tenant (id, slug, name, time_zone, data_key, data_key_id)"
                " values ($1, $2, 'T', 'UTC', '', 'k')",
                self.tenant,
                str(self.tenant),
            )
        async with self.database.transaction(self.tenant) as c:
            for name in ("x3", "mc"):
                await c.execute(
                    "insert into connection (tenant_id, id, name, system, kind, settings, facts, credential_version,"
                    " state, version) values ($1, $2, $3, $3, 'k', '{}', '{}', 1, 'ok', 1)",
                    self.tenant,
                    ids[name],
                    name,
                )
            await c.execute(
                "insert into mapping (tenant_id, id, name, stream, version) values ($1, $2, 'm', 'customers', 1)",
                self.tenant,
                ids["mapping"],
            )
            await c.execute(
                "insert into sync (tenant_id, id, name, stream, source_connection_id, target_connection_id, mapping_id,"
                " target, new_member_status, inactive, schedule, brake, reconcile, enabled, state, failures, version)"
                " values ($1, $2, 's', 'customers', $3, $4, $5, '{}', 'subscribed', '{}', '{}', '{}', '{}', true,"
                " 'active', 0, 1)",
                self.tenant,
                self.sync,
                ids["x3"],
                ids["mc"],
                ids["mapping"],
            )
            self.audience = (await audiences.audience_row(c, self.tenant, ids["mc"], "list"))["id"]
        return self

    async def queued(self, mode: str = "delta", **options: Any) -> UUID:
        row, _ = await start_run(
            self.database, self.tenant, self.sync, mode=mode, trigger="api", actor="test", **options
        )
        return UUID(str(row["id"]))

    async def claimed(self, run_id: UUID, lease_seconds: float = 30) -> OpenRun | None:
        """Claim a run and open it over the fakes."""
        async with self.database.transaction(self.tenant) as c:
            row = await runs.claim(c, self.tenant, run_id, "test", lease_seconds)
            if row is None:
                return None
            sync = await c.fetchrow("select * from sync where id = $1", self.sync)
            if row["start_mark"] is None:
                since = lower_bound(sync["watermark"]) if row["mode"] == "delta" and row["codes"] is None else None
                row = await c.fetchrow(
                    "update sync_run set start_mark = $2, lower_bound = $3 where id = $1 returning *",
                    run_id,
                    await self.x3.clock(),
                    since,
                )
        mapping = compile_mapping(parse_mapping(self.definition), inactive=self.inactive)
        self.x3.selection = mapping.selection
        opened = OpenRun(
            self.database,
            self.keys,
            self.tenant,
            self.sync,
            run_id,
            row["fence"],
            dict(row),
            {**dict(sync), "inactive": self.inactive.document(), "brake": self.brake},
            self.audience or uuid4(),
            self.x3,
            self.mailchimp,
            mapping,
            encode_fragment,
            Policy(self.status, self.inactive.action),
            self.pace,
            restored(row["position"], Position),
            row["codes"] is None and row["mode"] != "replay",
        )
        opened.bulk, opened.bulk_from = self.bulk, self.bulk_from
        if row["mode"] == "reconcile":
            opened.reconciler = Reconciler(opened)
        opened.brake = await brake_of(opened)
        return opened

    async def run(self, mode: str = "delta", **options: Any) -> dict[str, Any]:
        """A whole run; its final row."""
        run_id = await self.queued(mode, **options)
        return await self.carried(run_id)

    async def carried(self, run_id: UUID) -> dict[str, Any]:
        run = await self.claimed(run_id)
        assert run is not None
        assert await carry(run)
        done = await ending.succeed(
            self.database,
            self.tenant,
            run.row,
            watermark=run.row["start_mark"] if run.whole and not run.dry else None,
            settings="s",
        )
        await self.check()
        return dict(done)

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        async with self.database.transaction(self.tenant) as c:
            return list(await c.fetch(query, *values))

    async def record(self, code: str) -> dict[str, Any]:
        return dict((await self.fetch("select * from record where key = $1", code))[0])

    async def check(self) -> None:
        """What must hold at every quiet moment: conservation, the audit chain, and nobody moved up."""
        for row in await self.fetch("select * from sync_run where state in ('succeeded', 'partially_failed')"):
            assert row["n_read"] == sum(
                row[f"n_{n}"] for n in ("created", "updated", "unchanged", "skipped", "rejected")
            )
            assert sum(row["skipped_by_reason"].values()) == row["n_skipped"]
        async with self.database.transaction(self.tenant) as c:
            assert (await audit.verify_chain(c, self.tenant)).ok
        assert self.mailchimp.upward == []
        assert self.mailchimp.overlaps == 0
        assert not await self.fetch("select id from batch where state = 'sending' and kind = 'insert'")


def counts(row: Mapping[str, Any]) -> dict[str, int]:
    """The six counts of a run, zeros left out."""
    names = ("read", "created", "updated", "unchanged", "skipped", "rejected")
    return {name: row[f"n_{name}"] for name in names if row[f"n_{name}"]}
