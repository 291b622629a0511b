"""A tenant of a test's own with both connections, and its syncs, each watched by the oracle."""

import asyncio
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx

from tests.e2e.oracle import Judgement, Memory, Person, Rules, Terms, candidates, differences, judge
from tests.e2e.plant import Plant
from tests.e2e.sandboxes import Row, Sandbox

OUTCOMES = ("created", "updated", "unchanged", "skipped", "rejected")
DONE = ("succeeded", "partially_failed")
ENDED = (*DONE, "failed", "cancelled", "halted")
RUN_SECONDS = 120.0  # the machine may be busy with other tests
MOST_LINES = 12
_SPOKEN = {"x3": "X3 production", "mailchimp": "Newsletter account"}
_numbers = itertools.count(1)


class World:
    """One tenant, one sandbox. Every run of `carriers` is checked when it ends, and all of them at the end."""

    def __init__(self, plant: Plant, sandbox: Sandbox) -> None:
        self.plant = plant
        self.sandbox = sandbox
        self.x3, self.mailchimp = sandbox.x3, sandbox.mailchimp
        self.carriers: list[Carrier] = []
        self.forgotten: set[str] = set()
        self.throttled: set[str] = set()
        self.ours: defaultdict[str, set[str]] = defaultdict(set)  # archived by us, by audience
        self.vacated: defaultdict[str, set[str]] = defaultdict(set)  # refused, and left by their member, by audience
        self.born: defaultdict[str, set[str]] = defaultdict(set)  # made by us as unsubscribed, by audience
        self.connections: dict[str, str] = {}
        self.tenant = ""
        self._http: httpx.AsyncClient | None = None

    @property
    def http(self) -> httpx.AsyncClient:
        """The operator's client, made anew for each test, since pytest's event loops live for one."""
        if self._http is None:
            key = {"Authorization": f"Bearer {self.plant.system.operator_key}"}
            url = self.plant.system.api_url
            self._http = httpx.AsyncClient(base_url=url, headers=key, trust_env=False, timeout=60)
        return self._http

    async def rest(self) -> None:
        """Close what belongs to the present event loop."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None
        await self.sandbox.rest()

    async def call(self, method: str, path: str, body: Any = None, status: int | None = None, **params: Any) -> Any:
        """A call of the tenant's API: the JSON of its answer; fails on another status than expected (default: 2xx)."""
        answer = await self.http.request(method, f"{self.tenant}/{path}", json=body, params=params)
        right = answer.is_success if status is None else answer.status_code == status
        assert right, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def items(self, path: str, **params: Any) -> list[Row]:
        """A whole list of the API."""
        found: list[Row] = []
        cursor: str | None = None
        while True:
            page = await self.call("GET", path, limit=200, **params, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    async def furnish(self, *, verify_x3: bool = False, **x3_settings: Any) -> "World":
        """Make the tenant and connect both systems. Verifying X3 takes a second and is left out unless asked for."""
        slug = f"t{next(_numbers)}-{time.time_ns() % 10**9}"
        made = await self.http.post(
            "/v1/tenants", json={"slug": slug, "name": "Acme Industries", "time_zone": "Europe/Paris"}
        )
        assert made.status_code == 201, made.text
        self.tenant = f"/v1/tenants/{made.json()['id']}"
        x3, mailchimp = self.sandbox.at_x3, self.sandbox.at_mailchimp
        secret = {"client_id": x3["client_id"], "client_secret": x3["client_secret"], "subject": "MLC"}
        settings = {"endpoint": "SEED", "request_timeout_seconds": 2, **x3_settings}
        await self.connect(
            "x3", system="sage_x3", kind="graphql_jwt", url=x3["graphql_url"], settings=settings, credential=secret,
            verify=verify_x3,
        )  # fmt: skip
        await self.connect(
            "mailchimp", system="mailchimp", kind="api_key", settings={"base_url": mailchimp["base_url"]},
            credential={"api_key": mailchimp["api_key"]},
        )  # fmt: skip
        return self

    async def connect(self, name: str, *, verify: bool = True, **body: Any) -> Row:
        """Make a connection; verified, it must verify well."""
        made: Row = await self.call("POST", "connections", {"name": _SPOKEN.get(name, name), **body}, 201)
        if verify:
            verdict = await self.call("POST", f"connections/{made['id']}/verify")
            assert verdict["ok"], verdict
        self.connections[name] = made["id"]
        return made

    async def sync(
        self, stream: str = "customers", audience: int = 0, mapping: Row | None = None, **terms: Any
    ) -> "Carrier":
        """A sync of a stream with a mapping of its own; what is not said is the product's default."""
        made = await self.call("POST", "mappings", {"name": stream, "stream": stream, **(mapping or {})}, 201)
        body = {
            "name": f"{stream} to list {len(self.carriers) + 1}", "stream": stream, "mapping_id": made["id"],
            "source_connection_id": self.connections["x3"], "target_connection_id": self.connections["mailchimp"],
            "target": {"audience_id": self.sandbox.lists[audience]}, "new_member_status": "transactional",
            "brake": {"max_inactive_percent": None}, "schedule": {"kind": "manual"}, **terms,
        }  # fmt: skip
        carrier = Carrier(self, await self.call("POST", "syncs", body, 201), made)
        self.carriers.append(carrier)
        return carrier

    async def members(self, list_id: str) -> dict[str, Row]:
        return {member["email"].lower(): member for member in await self.sandbox.members(list_id)}

    async def person(self, what: str, email: str, **given: Any) -> None:
        """What happens at Mailchimp; the oracle is told what no export shows."""
        if what == "forget":
            self.forgotten.add(email.lower())
        if what != "throttle":
            for ours in self.ours.values():
                ours.discard(email.lower())
        else:
            (self.throttled.discard if given.get("off") else self.throttled.add)(email.lower())
        await self.sandbox.person(what, email, **given)

    async def check_end(self) -> None:
        """What must be true whatever happened: one more full run changes nothing, and every book balances."""
        for carrier in self.carriers:
            if carrier.is_settled:
                last = await carrier.run("full")
                assert last["counts"]["created"] == last["counts"]["updated"] == 0, last
        for run in await self.items("runs"):
            if run["state"] in ENDED:
                assert_balanced(run)
        await self._check_consent()
        verdict = await self.call("GET", "audit/verify")
        assert verdict["ok"], verdict
        stats = await self.mailchimp.stats()
        assert stats["max_in_flight"] <= 10, stats
        assert stats["too_many_connections"] == 0, stats

    async def _check_consent(self) -> None:
        ledger = await self.mailchimp.call("GET", "consent")
        assert ledger["upward"] == [], f"the API moved people towards more mail: {ledger['upward']}"


def told(what: str, wrong: list[str], run: Row) -> str:
    """The beginning of a long story."""
    more = [f"... and {len(wrong) - MOST_LINES} more"] if len(wrong) > MOST_LINES else []
    return "\n".join([f"{what}:", *wrong[:MOST_LINES], *more, str(run)])


def assert_balanced(run: Row) -> None:
    """Every record of a run is accounted for."""
    counts = run["counts"]
    assert counts["read"] == sum(counts[name] for name in OUTCOMES), run
    assert sum(run["skipped_by_reason"].values()) == counts["skipped"], run


class Carrier:
    """One sync. `is_settled` says that its last run was complete, so that one more must change nothing."""

    def __init__(self, world: World, sync: Row, mapping: Row) -> None:
        self.world = world
        self.sync = sync
        self.id: str = sync["id"]
        self.mapping = mapping
        self.stream: str = sync["stream"]
        self.list_id: str = sync["target"]["audience_id"]
        self.memories: dict[str, Memory] = {}
        self.judged = Judgement({})  # what the last run had to do
        self.is_settled = False

    # -- runs ---------------------------------------------------------------------------------------------------

    async def start(self, mode: str = "delta", **body: Any) -> Row:
        started: Row = await self.world.call("POST", f"syncs/{self.id}/runs", {"mode": mode, **body}, 202)
        return started

    async def read(self, run_id: str) -> Row:
        run: Row = await self.world.call("GET", f"runs/{run_id}")
        return run

    async def ended(self, run_id: str, seconds: float = RUN_SECONDS) -> Row:
        """The run once it has ended (or halted)."""
        return await self.until(run_id, lambda run: run["state"] in ENDED, seconds, most_pause=0.2)

    async def until(self, run_id: str, is_so: Any, seconds: float = RUN_SECONDS, most_pause: float = 0.03) -> Row:
        """Asks every 0.03 s, or ever less often: each question costs others the time in which they would be done."""
        deadline, pause = time.monotonic() + seconds, 0.03
        while not is_so(run := await self.read(run_id)):
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {run}\n{self.world.plant.logs()}"
            await asyncio.sleep(pause)
            pause = min(1.25 * pause, most_pause)
        return run

    async def run(self, mode: str = "delta", *, disturbed: bool = False, **body: Any) -> Row:
        """Carry a run to its good end and check what it did. `disturbed`: what was sent before counts no more."""
        before = await self.snapshot()
        run = await self.ended((await self.start(mode, **body))["id"])
        assert run["state"] in DONE, run
        await self.check(run, before, disturbed=disturbed)
        return run

    async def fails(self, mode: str = "delta", state: str = "failed", **body: Any) -> Row:
        """A run that must not succeed: its books balance, and the watermark stays."""
        mark = (await self.reread())["watermark"]
        run = await self.ended((await self.start(mode, **body))["id"])
        assert run["state"] == state, run
        assert run["reason"], run
        await self.interrupted(run)
        assert (await self.reread())["watermark"] == mark
        return run

    async def reread(self) -> Row:
        self.sync = await self.world.call("GET", f"syncs/{self.id}")
        return self.sync

    async def change(self, **patch: Any) -> None:
        """Change the sync."""
        self.sync = await self.world.call("PATCH", f"syncs/{self.id}", patch)

    async def remap(self, **changed: Any) -> None:
        """A new version of the mapping."""
        body = {"name": self.stream, "stream": self.stream, **changed}
        self.mapping = await self.world.call("PUT", f"mappings/{self.mapping['id']}", body)

    # -- what must be -------------------------------------------------------------------------------------------

    async def snapshot(self) -> dict[str, Row]:
        return await self.world.members(self.list_id)

    async def rules(self) -> Rules:
        """What the oracle works from: the mapping's own JSON, the sync's, the audience's merge fields."""
        types = await self.world.mailchimp.call("GET", "merge-fields", list=self.list_id)
        mapping = self.mapping
        if not self.sync["target"]["create_merge_fields"]:
            mapping = {**mapping, "fields": [field for field in mapping["fields"] if field["target"] in types]}
        return Rules(mapping, self.sync["inactive"], self.sync["filter"], types)

    async def judgement(self, before: Mapping[str, Row], again: frozenset[str] = frozenset()) -> Judgement:
        """What a complete run must make of X3's present truth."""
        rules = await self.rules()
        found = candidates(await self.world.sandbox.export(self.stream), rules)
        terms = Terms(
            self.sync["new_member_status"], self.sync["inactive"], frozenset(self.world.ours[self.list_id]),
            frozenset(self.world.forgotten), frozenset(self.world.throttled), again,
            frozenset(self.world.vacated[self.list_id]), frozenset(self.world.born[self.list_id]),
        )  # fmt: skip
        return judge(before, found, self.memories, terms)

    async def check(
        self,
        run: Row,
        before: Mapping[str, Row],
        *,
        disturbed: bool = False,
        again: frozenset[str] = frozenset(),
    ) -> None:
        """The run's books, the audience, the ledger and the counts against the oracle."""
        await self.check_books(run)
        if run["dry_run"]:
            return
        right = self.judged = await self.judgement(before, again)
        wrong = differences(await self.snapshot(), right)
        assert not wrong, told("the audience is not what X3 says", wrong, run)
        records = await self.records()
        wrong = [*self._ledger_faults(records, right)]
        assert not wrong, told("the ledger is not what it must be", wrong, run)
        if not disturbed and not right.loose:
            self._check_counts(run, right)
        self.memories, self.world.ours[self.list_id] = right.memories, right.ours
        self.world.vacated[self.list_id], self.world.born[self.list_id] = right.vacated, right.born
        for key, verdict in right.verdicts.items():
            if verdict.or_reasons:  # whichever of the right ones it was
                state, reason = records[key]["state"], records[key]["reason"]
                self.memories[key] = replace(self.memories[key], state=state, reason=reason)
        self.is_settled = True

    async def check_books(self, run: Row) -> None:
        """Every record accounted for, a dead letter for each rejected one."""
        assert_balanced(run)
        letters = await self.letters(state="open")
        mine = [letter for letter in letters if letter["run_id"] == run["id"]]
        assert len(mine) == run["counts"]["rejected"], (run, mine)

    async def letters(self, **chosen: Any) -> list[Row]:
        return await self.world.items("dead-letters", sync_id=self.id, **chosen)

    async def records(self) -> dict[str, Row]:
        return {record["key"]: record for record in await self.world.items("records", sync_id=self.id)}

    def _ledger_faults(self, records: Mapping[str, Row], right: Judgement) -> Any:
        for key, verdict in right.verdicts.items():
            memory, record = right.memories.get(key, Memory("unknown")), records.get(key, {})
            found = (record.get("state"), record.get("reason"))
            allowed = {(memory.state, memory.reason)}
            allowed |= {("skipped", reason) if reason else ("synced", None) for reason in verdict.or_reasons}
            if found not in allowed:
                yield f"{key} is {found}, not {sorted(allowed, key=str)} ({verdict})"
            elif found == ("synced", None) and verdict.outcome != "carried" and set(record["tags"]) != memory.tags:
                yield f"{key} is tagged {record['tags']}, not {sorted(memory.tags)}"

    def _check_counts(self, run: Row, right: Judgement) -> None:
        """A whole run reads everything; any run creates and updates exactly what has changed."""
        wanted = Counter(verdict.outcome for verdict in right.verdicts.values())
        counts = run["counts"]
        for name in ("created", "updated"):
            assert counts[name] == wanted[name], (name, run, dict(wanted))
        if run["mode"] != "full" or run["codes"] is not None:
            return
        assert counts["read"] == len(right.verdicts), (run, dict(wanted))
        assert counts["rejected"] == wanted["rejected"], (run, dict(wanted))
        if not any(verdict.or_reasons for verdict in right.verdicts.values()):
            reasons = Counter(v.reason for v in right.verdicts.values() if v.outcome == "skipped")
            assert {name: n for name, n in run["skipped_by_reason"].items() if n} == dict(reasons), run

    async def interrupted(self, run: Row) -> None:
        """A run did not reach its end."""
        await self.check_books(run)
        self.is_settled = False
        await self.take_in(run)

    async def take_in(self, run: Row, *, is_sure: bool = True) -> None:
        """What the ledger took in of a run counts, and nothing else; not `is_sure` when X3 changed meanwhile."""
        found = {one.key: one for one in candidates(await self.world.sandbox.export(self.stream), await self.rules())}
        for key, record in (await self.records()).items():
            if record["run_id"] == run["id"]:
                one, email = found.get(key), record["email"].lower() if record["email"] else None
                content = one.content if isinstance(one, Person) else one.wrong if one else None
                is_read = not (record["reason"] or "").startswith("x3_")  # else X3 would not give it
                self.memories[key] = Memory(
                    record["state"], record["reason"], email, content if is_sure and is_read else None,
                    frozenset(record["tags"]),
                    is_active=record["is_active"],
                )  # fmt: skip
