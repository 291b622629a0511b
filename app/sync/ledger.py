"""Remember a page: outcomes, fingerprints, mirror, dead letters, audit, counts and position in one transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID, uuid4

import asyncpg
import msgspec

from app.db import audiences, audit, batches, changes, consent, dead_letters, records, runs
from app.domain.drift import ORPHAN
from app.domain.planning import BORN_UNSUBSCRIBED, NO_RUN, SEPARATOR, Action, Decision, Known, Outcome
from app.sync.opened import LeaseLost, OpenRun
from app.sync.pages import Page, Position

ACTOR = "run"
AUDIT_ACTIONS = {
    Action.INSERT: "member.created",
    Action.UPDATE: "member.updated",
    Action.MOVE: "member.moved",
    Action.MERGE: "member.merged",
    Action.RESTORE: "member.restored",
    Action.ARCHIVE: "member.archived",
    Action.UNSUBSCRIBE: "member.unsubscribed",
    Action.FLAG: "member.flagged",
}
CAUSES: Mapping[Action, str] = {action: action.value for action in AUDIT_ACTIONS if action is not Action.FLAG}
"""What the consent ledger says of a status that a call of ours set, or that its answer told."""
OPENING = (Action.RESTORE.value, Action.MERGE.value)
"""Calls that may open what was closed. The others are made for open members only: one that is closed now was closed
while they were on their way."""
ON_THE_OLD = (Action.ARCHIVE, Action.UNSUBSCRIBE, Action.FLAG)  # calls on the member we remember
MOST_WAITING = 1000  # records; to read more of them by code costs more than to read everything again
QUIET = ("unsubscribed", "archived")  # statuses of a member that may have been born unsubscribed
GONE = "gone"  # what a decision's status says when Mailchimp no longer has the member

encode = msgspec.json.Encoder().encode


class Change(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a change page: what a run decided for one record. `body` is the member as sent (JSON object)."""

    key: str
    code: str
    email: str | None
    decision: str
    reason: str | None
    body: msgspec.Raw
    tags: Sequence[str]
    warnings: Sequence[tuple[str, str]] = ()


async def known_of(
    run: OpenRun, connection: asyncpg.Connection, keys: Sequence[str], hashes: Sequence[bytes | None]
) -> dict[str, Known]:
    """What the ledger and the mirror say of these records."""
    known = await records.look_up(connection, run.tenant_id, run.sync_id, run.audience_id, keys, hashes)
    if not known:
        return known
    archived = {h for k, h in zip(keys, hashes, strict=True) if h and k in known and known[k].status == "archived"}
    if archived:
        ours = await consent.archived_by_us(connection, run.tenant_id, run.audience_id, archived)
        for key, hash_ in zip(keys, hashes, strict=True):
            if hash_ is not None and hash_ in ours:
                known[key] = msgspec.structs.replace(known[key], ours=True)
    await _note_births(run, connection, known, dict(zip(keys, hashes, strict=True)))
    return known


async def _note_births(
    run: OpenRun, connection: asyncpg.Connection, known: dict[str, Known], hashes: Mapping[str, bytes | None]
) -> None:
    """Say whose member we made unsubscribed: as long as nobody has said anything since, that is no refusal."""
    marked = {one.member_hash for one in known.values() if one.flags & BORN_UNSUBSCRIBED and one.member_hash}
    asked = {hash_ for key, one in known.items() if one.status in QUIET and (hash_ := hashes[key])} | marked
    asked |= {one.member_hash for one in known.values() if one.old_status in QUIET and one.member_hash}
    if not asked:
        return
    born = await consent.born_unsubscribed(connection, run.tenant_id, run.audience_id, asked, marked)
    for key, one in known.items():
        flags = one.flags | BORN_UNSUBSCRIBED if one.member_hash in born else one.flags & ~BORN_UNSUBSCRIBED
        if hashes[key] in born or flags != one.flags:
            known[key] = msgspec.structs.replace(one, born=hashes[key] in born, flags=flags)


async def remember(run: OpenRun, pages: Sequence[Page], position: Position, settled: Sequence[UUID]) -> None:
    """Commit completed pages, and that the `settled` batches are accounted for.

    Raises LeaseLost, and commits nothing, when the run is no longer ours.
    """
    for page in pages if position.second else ():
        if page.lane.kind in ("scan", "codes"):  # the others were counted by the first reading
            page.decisions = [decision for decision in page.decisions if decision.has_effect]
    changed = [decision for page in pages for decision in page.decisions if decision.has_effect]
    number = run.row["pages"] + len(pages)
    async with run.database.transaction(run.tenant_id) as connection:
        if not await runs.lock(connection, run.tenant_id, run.run_id, run.fence):
            raise LeaseLost
        counts, reasons = tally_pages(run, pages, position)
        if changed:
            await keep_changes(run, connection, [change_of(d, run.dry) for d in changed], number)
        if not run.dry:
            await _write(run, connection, changed, number)
            await _look_again(run, connection, changed, position)
            _put_off(pages, position)
        if run.reconciler is not None:
            await run.reconciler.saw(connection, pages)
        await batches.settle(connection, run.tenant_id, settled)
        for page in pages:
            _note_waiting(page, position)
            page.lane.after = page.source.last_key if page.source.last_key is not None else page.lane.after
            page.lane.done = page.lane.done or page.last_of_lane
        await count(run, connection, counts, reasons, position, len(pages))
    run.row = {**run.row, "pages": number}
    if not run.dry:
        run.observer.remembered(run.tenant_id, run.sync_id, len(pages), counts)


def _note_waiting(page: Page, position: Position) -> None:
    """What of this page waits for the brake: codes, each once, and what they would do."""
    position.would.add(page.waiting)
    if not position.twice:
        position.waiting.extend(dict.fromkeys(decision.code for decision in page.waiting))
    if len(position.waiting) > MOST_WAITING:
        position.waiting, position.twice = [], True


def tally_pages(run: OpenRun, pages: Sequence[Page], position: Position) -> tuple[Counter[str], Counter[str]]:
    """The counts of these pages, and the skipped ones by reason; records looked at again are counted once."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for page in pages:
        if page.lane.kind == "again":
            waited = set(position.later)
            seen = [d for d in page.decisions if d.key not in waited]
            _tally([d for d in page.decisions if d.key in waited], run.run_id, counts, reasons)
            position.later = sorted(waited - {d.key for d in page.decisions})
            whole = run.row["codes"] is None and run.row["lower_bound"] is None
            counted = {d.code for d in seen} if whole else set(position.shadowed)
            _recount([d for d in seen if d.code in counted], run.run_id, counts, reasons)
            _tally([d for d in seen if d.code not in counted], run.run_id, counts, reasons)
        else:
            _tally(page.decisions, run.run_id, counts, reasons)
        if page.lane.kind in ("codes", "waiting"):
            position.shadowed.extend(d.code for d in page.decisions if d.reason == "duplicate_email")
    return counts, reasons


def _tally(decisions: Iterable[Decision], run_id: UUID, counts: Counter[str], reasons: Counter[str]) -> None:
    """When a record takes an address over from one that this same run had counted as carried, the member is counted
    once: the former owner becomes `skipped`, the new one takes its place."""
    for decision in decisions:
        counts["read"] += 1
        takes_over = decision.demote is not None and decision.demote.run_id == run_id
        if takes_over and decision.outcome in (Outcome.UPDATED, Outcome.CREATED):
            counts["skipped"] += 1
            reasons["duplicate_email"] += 1
            continue
        counts[decision.outcome.value] += 1
        if decision.outcome is Outcome.SKIPPED:
            reasons[decision.reason or "other"] += 1


def _recount(decisions: Iterable[Decision], run_id: UUID, counts: Counter[str], reasons: Counter[str]) -> None:
    """Records this run has counted before: who was skipped behind an owner and is not any more changes its column;
    everything else counts only if the source has changed in between."""
    for decision in decisions:
        carried = decision.outcome in (Outcome.UPDATED, Outcome.CREATED)
        if carried and decision.demote is not None and decision.demote.run_id == run_id:
            continue  # the two change places
        was_shadow = decision.known.state == "skipped" and decision.known.reason == "duplicate_email"
        if not was_shadow and not decision.remember and not decision.writes:
            continue
        if was_shadow:
            counts["skipped"] -= 1
            reasons["duplicate_email"] -= 1
        else:
            counts["read"] += 1
        counts[decision.outcome.value] += 1
        if decision.outcome is Outcome.SKIPPED:
            reasons[decision.reason or "other"] += 1


async def keep_changes(
    run: OpenRun, connection: asyncpg.Connection, made: Sequence[Change], number: int, *, once: bool = False
) -> None:
    """Keep what a page decided, sealed; with `once`, nothing happens when the page is there already."""
    body = run.keys.seal(encode(made), run.run_id, f"changes/{number}")
    await changes.keep(connection, run.tenant_id, run.run_id, run.sync_id, number, len(made), body, once=once)


async def keep_orphans(run: OpenRun, emails: Sequence[str]) -> None:
    """Name the members no record stands for, in a change page of their own at the end of the run."""
    named = [Change("", "", email, "reported", ORPHAN, msgspec.Raw(b"{}"), ()) for email in emails]
    if named:
        async with run.database.transaction(run.tenant_id) as connection:
            await keep_changes(run, connection, named, run.row["pages"] + 1, once=True)


def change_of(decision: Decision, dry: bool) -> Change:
    """What the change page says of a decision; dry runs say what would happen."""
    member = decision.member
    outcome = f"would_be_{decision.outcome}" if dry else decision.outcome
    return Change(
        decision.key,
        decision.code,
        member.email if member is not None else None,
        outcome,
        decision.reason,
        msgspec.Raw(b"{" + decision.fragment + b"}"),
        member.tags if member is not None else (),
        decision.warnings,
    )


async def _write(run: OpenRun, connection: asyncpg.Connection, changed: Sequence[Decision], number: int) -> None:
    tenant, sync = run.tenant_id, run.sync_id
    version = run.row["mapping_version"]
    await records.upsert(connection, tenant, sync, run.run_id, version, _entries(run, changed))
    demoted = {d.demote.key: d.member_hash for d in changed if d.demote is not None and d.demote.run_id != NO_RUN}
    if demoted:
        await records.demote(connection, tenant, sync, run.run_id, demoted)
    await _mirror(run, connection, changed)
    await dead_letters.keep(
        connection, tenant, sync, run.run_id, [_letter(run, d) for d in changed if d.outcome is Outcome.REJECTED]
    )
    healed = [d.key for d in changed if d.known.state == "rejected" and d.outcome is not Outcome.REJECTED]
    if healed:
        await dead_letters.heal(connection, tenant, sync, healed)
    await audit.append(connection, tenant, [_event(run, d, number) for d in changed])


def _entries(run: OpenRun, changed: Iterable[Decision]) -> list[records.Entry]:
    kept = [d for d in changed if d.remember]
    members = [d.member for d in kept if d.member is not None]
    sealed = iter(run.keys.seal_many([m.email.encode() for m in members], run.sync_id, "record.email"))
    return [_entry(d, None if d.member is None else next(sealed)) for d in kept]


def _entry(decision: Decision, email: bytes | None) -> records.Entry:
    member, outcome = decision.member, decision.outcome
    state = "skipped" if outcome is Outcome.SKIPPED else "rejected" if outcome is Outcome.REJECTED else "synced"
    on = member.tags if member is not None and state == "synced" else ()
    return records.Entry(
        decision.key,
        decision.code,
        state,
        decision.reason if state != "synced" else None,
        decision.member_hash,
        decision.fingerprint,
        email,
        SEPARATOR.join(on) if on or state == "synced" else decision.known.tags,
        decision.flags,
        decision.is_active,
    )


def _letter(run: OpenRun, decision: Decision) -> dead_letters.Letter:
    row = uuid4()
    member = decision.member
    payload = None
    if member is not None:
        payload = run.keys.seal(
            encode(
                {"email": member.email, "member": msgspec.Raw(b"{" + decision.fragment + b"}"), "tags": member.tags}
            ),
            row,
            "dead_letter.payload",
        )
    reason = decision.reason or "rejected"
    return dead_letters.Letter(
        row, decision.key, decision.code, reason, decision.detail or reason, decision.field, payload
    )


async def _mirror(run: OpenRun, connection: asyncpg.Connection, changed: Sequence[Decision]) -> None:
    statuses: dict[bytes, str] = {}
    causes: dict[bytes, str] = {}
    gone: dict[bytes, str] = {}
    for decision in changed:
        status = decision.status
        hash_ = decision.known.member_hash if decision.action in ON_THE_OLD else decision.member_hash
        if decision.writes and hash_ is not None and status is not None:
            (gone if status == GONE else statuses)[hash_] = "move" if status == GONE else status
            causes[hash_] = _cause(decision)
        old = decision.known.member_hash
        if decision.action is Action.MOVE and old not in (None, hash_):
            gone[old] = consent.MOVED_UNREFUSED if decision.flags & BORN_UNSUBSCRIBED else "move"
        elif decision.action is Action.MERGE and old not in (None, hash_) and decision.gave_up:
            statuses[old], causes[old] = "archived", "merge"
    for may_open in (True, False):
        told = [hash_ for hash_ in statuses if (causes[hash_] in OPENING) is may_open]
        await audiences.mirror(
            connection,
            run.tenant_id,
            run.audience_id,
            told,
            [statuses[hash_] for hash_ in told],
            causes=[causes[hash_] for hash_ in told],
            run_id=run.run_id,
            may_open=may_open,
        )
    for cause in set(gone.values()):
        left = [hash_ for hash_, why in gone.items() if why == cause]
        await audiences.forget_members(connection, run.tenant_id, run.audience_id, left, cause=cause, run_id=run.run_id)


def _cause(decision: Decision) -> str:
    """What the consent ledger says of the status that a decision's call has told. That a member is unsubscribed since
    it was born so is told apart from a refusal."""
    if decision.reason == "forgotten":
        return "refusal"
    if decision.action is Action.RESTORE and decision.outcome is Outcome.SKIPPED:
        return "unsubscribe"
    if decision.flags & BORN_UNSUBSCRIBED and decision.outcome is not Outcome.SKIPPED:
        cause = {Action.MOVE: consent.MOVED_UNREFUSED, Action.MERGE: "restore"}.get(decision.action)
        if cause is not None:
            return cause
    return CAUSES.get(decision.action, "update")


def _event(run: OpenRun, decision: Decision, number: int) -> audit.Event:
    member = decision.member
    if decision.outcome is Outcome.REJECTED:
        action = "record.rejected"
    elif decision.writes:
        action = AUDIT_ACTIONS[decision.action]
    elif decision.outcome is Outcome.SKIPPED:
        action = "record.skipped"
    else:
        action = "record.noted"
    return audit.Event(
        action,
        ACTOR,
        None,
        run.sync_id,
        run.run_id,
        number,
        decision.code,
        run.keys.digest(member.email.lower().encode()) if member is not None else None,
        decision.reason,
        None if decision.key == decision.code else {"key": decision.key},
    )


async def _look_again(
    run: OpenRun, connection: asyncpg.Connection, changed: Sequence[Decision], position: Position
) -> None:
    """Records that waited behind an owner whose address became free, or who is no longer active."""
    freed = [d.known.member_hash for d in changed if d.known.member_hash is not None and _lets_go(d)]
    if freed:
        waiting = await records.shadows(connection, run.tenant_id, run.sync_id, freed)
        position.also.extend(code for code in waiting if code not in position.also)


def _put_off(pages: Sequence[Page], position: Position) -> None:
    """Records that wait for the second look. Their neighbours of the same code have been counted."""
    for decision in (decision for page in pages for decision in page.later):
        position.later.append(decision.key)
        position.shadowed.append(decision.code)
        if decision.code not in position.also:
            position.also.append(decision.code)


def _lets_go(decision: Decision) -> bool:
    known = decision.known
    if known.state != "synced":
        return False
    return (
        decision.outcome is Outcome.SKIPPED
        or decision.member_hash != known.member_hash
        or (known.is_active and not decision.is_active)
    )


async def count(
    run: OpenRun,
    connection: asyncpg.Connection,
    counts: Mapping[str, int],
    reasons: Mapping[str, int],
    position: Position,
    pages: int,
) -> None:
    merged = Counter(run.row["skipped_by_reason"])
    merged.update(reasons)
    await connection.execute(
        "update sync_run set n_read = n_read + $3, n_created = n_created + $4, n_updated = n_updated + $5,"
        " n_unchanged = n_unchanged + $6, n_skipped = n_skipped + $7, n_rejected = n_rejected + $8,"
        " skipped_by_reason = $9::varchar::jsonb, position = $10::varchar::jsonb, pages = pages + $11, stalls = 0,"
        " warnings = $12::varchar::jsonb, updated_at = clock_timestamp() where tenant_id = $1 and id = $2",
        run.tenant_id,
        run.run_id,
        *(counts.get(name, 0) for name in ("read", "created", "updated", "unchanged", "skipped", "rejected")),
        encode(merged).decode(),
        position.stored(),
        pages,
        encode([*run.notes, *run.source.warnings][:50]).decode(),
    )
    run.row = {**run.row, "skipped_by_reason": dict(merged)}
