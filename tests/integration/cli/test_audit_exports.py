"""The audit trail is taken away, signed, and checked without us; every manipulation is refused."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.connections.attesting import Signer
from app.connections.vault import Vault
from app.db import audit
from app.db.audit_exports import Line
from tests.integration.api.objects import a_mapping
from tests.integration.cli.conftest import Shell

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "prove-the-audit-trail.md"
Lines = list[bytes]


class Office:
    """A tenant whose trail has some events, an auditor's folder, and the files in it."""

    def __init__(self, shell: Shell, folder: Path, tenant: str) -> None:
        self.shell, self.folder, self.tenant = shell, folder, tenant
        self.tenant_id = UUID(tenant[-36:])
        self.key = folder / "key.pem"

    async def happen(self, times: int = 3) -> None:
        for number in range(times):
            await self.shell.api.made(f"{self.tenant}/mappings", a_mapping(name=f"Zoë 日本 {number}"))

    async def audit(self, *words: str, **env: str) -> str:
        return await self.shell.ok("audit", *words, MLC_TENANT="acme", **env)

    async def export(self, name: str, *words: str) -> Path:
        path = self.folder / name
        await self.audit("export", "--output", str(path), *words)
        return path

    async def verdict(self, file: Path, *words: str) -> tuple[int, str]:
        """Of a machine without network: the API's address leads nowhere."""
        nowhere = {"MLC_URL": "http://127.0.0.1:9", "MLC_TENANT": "acme"}
        found = await self.shell.run("audit", "verify", str(file), "--public-key", str(self.key), *words, **nowhere)
        return found.exit_code, found.output.replace("\n", " ")

    async def in_database(self, work: Callable[[asyncpg.Connection], object]) -> None:
        """What the database's own administrator can do: no row security, no grants."""
        async with self.shell.api.resources.database.pool.acquire() as connection:
            await connection.execute("alter table audit_event disable row level security")
            await connection.execute("alter table audit_head disable row level security")
            parts = "select inhrelid::regclass::text from pg_inherits where inhparent = 'audit_event'::regclass"
            for part in await connection.fetch(parts):
                await connection.execute(f"alter table {part[0]} disable row level security")
            await work(connection)  # type: ignore[misc]  # a coroutine


@pytest.fixture
async def office(shell: Shell, tmp_path: Path) -> Office:
    office = Office(shell, tmp_path, await shell.api.tenant())
    await office.happen()
    office.key.write_text(await office.audit("key"))
    return office


async def test_an_export_is_checked_without_us(office: Office) -> None:
    file = await office.export("all.ndjson")

    code, said = await office.verdict(file)

    events = file.read_bytes().count(b"\n") - 1
    assert events >= 4
    assert (code, f"The {events} events from 1 to {events} are whole" in said) == (0, True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert "whole" in await office.audit("verify", str(file))  # the key comes from the API
    assert json.loads(await office.audit("verify", str(file), "--json"))["events"] == events


async def test_the_script_of_the_page_comes_to_the_same_result(office: Office) -> None:
    file = await office.export("all.ndjson")
    script = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[-1]
    (office.folder / "check.py").write_text(script, encoding="utf-8")
    changed = file.read_bytes().replace(b'"operator"', b'"nobody"', 1)
    (office.folder / "bad.ndjson").write_bytes(changed)

    def run(name: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "check.py", name, "key.pem"]
        return subprocess.run(words, cwd=office.folder, capture_output=True, text=True, check=False)

    good, bad = run("all.ndjson"), run("bad.ndjson")

    assert (good.returncode, good.stdout.endswith("events are whole\n")) == (0, True), good.stderr
    assert bad.returncode != 0


def edited(lines: Lines) -> Lines:
    return [lines[0], lines[1].replace(b'"operator"', b'"somebody"'), *lines[2:]]


def rehashed(lines: Lines) -> Lines:
    """A whole new chain over changed events, without the key to sign it."""
    previous, found = audit.GENESIS, []
    for raw in lines[:-1]:
        line = msgspec.json.decode(raw.replace(b'"operator"', b'"somebody"'), type=Line)
        event = audit.Event(line.action, line.actor, line.object_id, detail=line.detail)
        previous = audit.link(previous, audit.common(line.at, event), line.seq, event, audit.detail_text(line.detail))
        found.append(msgspec.json.encode(msgspec.structs.replace(line, hash=previous.hex())) + b"\n")
    assert msgspec.json.decode(found[-1], type=Line).follows(bytes.fromhex(json.loads(found[-2])["hash"]))
    return [*found, lines[-1]]


def resigned(lines: Lines) -> Lines:
    """The same with a key of one's own."""
    claims = lines[-1].split(b".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4)))
    return [*lines[:-1], msgspec.json.encode({"signature": Signer(b"x" * 32).sign(told)}) + b"\n"]


def promised(lines: Lines) -> Lines:
    """One event less, with a signature that says so - but is the old one."""
    header, claims, signature = lines[-1].split(b".")
    told = json.loads(base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4)))
    before = lines[:-2]
    told |= {"last_seq": told["last_seq"] - 1, "events": told["events"] - 1, "head": json.loads(before[-1])["hash"]}
    told |= {"sha256": hashlib.sha256(b"".join(before)).hexdigest()}
    claims = base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=")
    return [*before, b".".join((header, claims, signature))]


@pytest.mark.parametrize(
    ("forge", "finding"),
    [
        (edited, "Event 2 does not fit the one before"),
        (rehashed, "were signed"),
        (resigned, "signed by another key"),
        (lambda lines: [lines[0], *lines[2:]], "Event 2 is missing"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "Event 2 is missing"),
        (lambda lines: [*lines[:-2], lines[-1]], "were signed"),
        (lambda lines: lines[1:], "were signed"),
        (lambda lines: lines[:-1], "no signature at the end"),
        (lambda lines: [*lines[:-1], lines[-1][:-40]], "no signature at the end"),
        (promised, "the signature does not fit"),
        (lambda lines: [*lines[:-1], lines[-1][:40] + b"AAAA" + lines[-1][44:]], "cannot be trusted"),
        (lambda lines: [lines[0].replace(b'"seq":1', b'"seq": 1'), *lines[1:]], "not the ones that were signed"),
        (lambda lines: [b"{}\n", *lines], "Line 1 is no event"),
        (lambda lines: [*lines, lines[-1]], "is no event"),
        (lambda _: [], "no signature at the end"),
        (lambda _: [b"\x00\xff" * 2_000_000], "far too long"),
    ],
)
async def test_a_manipulated_file_is_refused(office: Office, forge: Callable[[Lines], Lines], finding: str) -> None:
    good = await office.export("all.ndjson")
    bad = office.folder / "bad.ndjson"
    bad.write_bytes(b"".join(forge(good.read_bytes().splitlines(keepends=True))))

    code, said = await office.verdict(bad)

    assert code == 1, said
    assert finding in said


async def test_a_rewritten_database_is_found_by_what_was_kept_elsewhere(office: Office) -> None:
    """Whoever can write everything makes a new chain that verifies, and that we sign; not one that fits the past."""
    digest, old = office.folder / "digest.json", await office.export("old.ndjson")
    digest.write_text(await office.audit("digest"))
    assert (await office.verdict(await office.export("same.ndjson"), "--against", str(digest)))[0] == 0

    async def rewrite(connection: asyncpg.Connection) -> None:
        previous = audit.GENESIS
        for row in await connection.fetch("select * from audit_event order by seq"):
            event = audit.event_of({**row, "actor": "nobody"})
            shared = audit.common(row["at"], event)
            previous = audit.link(previous, shared, row["seq"], event, audit.detail_text(event.detail))
            await connection.execute(
                "update audit_event set actor = 'nobody', hash = $1 where seq = $2", previous, row["seq"]
            )
        await connection.execute("update audit_head set hash = $1", previous)

    await office.in_database(rewrite)
    new = await office.export("new.ndjson")

    assert "is whole" in await office.audit("verify")
    assert (await office.verdict(new))[0] == 0
    for kept in (digest, old):
        code, said = await office.verdict(new, "--against", str(kept))
        assert (code, "the trail was rewritten" in said) == (1, True), said


async def test_a_cut_tail_is_found_by_what_was_kept_elsewhere(office: Office) -> None:
    digest = office.folder / "digest.json"
    digest.write_text(await office.audit("digest"))

    async def cut(connection: asyncpg.Connection) -> None:
        await connection.execute("delete from audit_event where seq = (select max(seq) from audit_event)")
        await connection.execute(
            "update audit_head set (seq, hash) = (select seq, hash from audit_event order by seq desc limit 1)"
        )

    await office.in_database(cut)
    new = await office.export("new.ndjson")
    cut_off = await office.verdict(new, "--against", str(digest))
    await office.happen(2)  # as many again: another event has the number
    hidden = await office.verdict(await office.export("newer.ndjson"), "--against", str(digest))

    assert "is whole" in await office.audit("verify")
    assert (cut_off[0], "its end was cut off" in cut_off[1]) == (1, True), cut_off
    assert (hidden[0], "the trail was rewritten" in hidden[1]) == (1, True), hidden


async def test_exports_go_on_from_each_other(office: Office) -> None:
    first = await office.export("1.ndjson")
    ended = json.loads(first.read_bytes().splitlines()[-2])["seq"]
    nothing = await office.export("nothing.ndjson", "--after", str(ended))
    await office.happen()
    second = await office.export("2.ndjson", "--after", str(ended))
    await office.happen()
    third = await office.export("3.ndjson", "--after", str(ended + 4))

    assert (await office.verdict(second, "--against", str(first)))[0] == 0
    assert (await office.verdict(nothing, "--against", str(first)))[0] == 0
    code, said = await office.verdict(third, "--against", str(first))
    assert (code, "after the end of the older one" in said) == (1, True)
    code, said = await office.verdict(first, "--against", str(second))
    assert (code, "its end was cut off" in said) == (1, True)


async def test_a_trail_whose_oldest_months_were_dropped_is_still_signed(office: Office) -> None:
    async def drop(connection: asyncpg.Connection) -> None:
        await connection.execute("delete from audit_event where seq < 3")

    await office.in_database(drop)
    file = await office.export("rest.ndjson")

    code, said = await office.verdict(file)

    assert (code, "from 3 to" in said, "not kept any more" in said) == (0, True, True), said


async def test_an_export_of_many_chunks_ends_where_it_began_to_be_made(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody holds more than a chunk; what happens meanwhile is not part of it."""
    monkeypatch.setattr("app.api.audit_exports._ROWS", 3)
    await office.happen(8)
    api, sizes, pieces = office.shell.api, [], b""
    from app.db import audit_exports

    taken = audit_exports.lines

    async def counted(connection: asyncpg.Connection, tenant_id: UUID, **given: int) -> object:
        found = await taken(connection, tenant_id, **given)
        sizes.append(len(found))
        if len(sizes) == 2:
            await office.happen(1)
        return found

    monkeypatch.setattr("app.db.audit_exports.lines", counted)
    pieces = (await api.get(f"{office.tenant}/audit/export?signed=true")).content
    (office.folder / "all.ndjson").write_bytes(pieces)

    assert max(sizes) == 3
    assert len(sizes) >= 4
    assert (await office.verdict(office.folder / "all.ndjson"))[0] == 0
    assert pieces.count(b'"mapping.created"') == 11


async def test_the_key_stays_when_master_keys_are_rotated_and_is_the_tenants_own(office: Office) -> None:
    resources = office.shell.api.resources
    async with resources.database.system() as connection:
        row = await connection.fetchrow("select data_key, data_key_id from tenant where id = $1", office.tenant_id)
    old = resources.settings.master_keys.get_secret_value()
    both = Vault(f"new:Zm9ydHktdHdvIHRpbWVzIHNpeCBpcyA5ICtzaXh0eTE=,{old}")
    wrapped, key_id = both.rewrap(office.tenant_id, row["data_key"], row["data_key_id"])
    other = await office.shell.api.tenant("other")

    again = both.tenant(office.tenant_id, wrapped, key_id).signer.public

    assert again.pem == office.key.read_text()
    assert (await office.shell.api.get(f"{other}/audit/key")).json()["kid"] != again.kid


async def test_what_cannot_be_done_is_said_and_leaves_nothing(office: Office) -> None:
    there = await office.export("all.ndjson")
    again = await office.shell.run("audit", "export", "--output", str(there), MLC_TENANT="acme")
    nobody = await office.shell.run("audit", "export", "--output", str(office.folder / "x"), "--tenant", "nobody")
    missing = await office.verdict(office.folder / "missing")
    no_key = await office.shell.run("audit", "verify", str(there), "--public-key", str(there))
    no_file = await office.shell.run("audit", "verify", "--against", str(there), MLC_TENANT="acme")

    assert [found.exit_code for found in (again, nobody, no_key, no_file)] == [2, 2, 2, 2]
    assert missing[0] == 2
    assert sorted(path.name for path in office.folder.iterdir()) == ["all.ndjson", "key.pem"]
    assert (await office.audit("export")).splitlines()[:-1] == there.read_text().splitlines()[:-1]
