"""Single changes of known members: update, move, merge, restore, archive, unsubscribe, flag; then their tags."""

from collections.abc import Mapping

from app.domain.consent import is_opted_out, stricter
from app.domain.errors import RecordRejected
from app.domain.member import Member, MergeValue
from app.domain.planning import (
    ARCHIVED_BY_US,
    BORN_UNSUBSCRIBED,
    REFUSED,
    SEPARATOR,
    Action,
    Decision,
    Outcome,
    born,
    born_as,
    is_closed,
)
from app.sync.flight import Flight
from app.sync.opened import OpenRun
from app.sync.pages import Page
from app.sync.ports import MirrorRow, NewMember
from app.sync.refusing import SKIPS
from app.sync.tagging import Tagger


class Changer:
    """Carries one decision by the calls it needs. Refusals of the record leave as RecordRejected."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self._run = flight.run
        self._target = flight.run.target
        self._tagger = Tagger(flight)

    async def carry(self, page: Page, decision: Decision) -> None:
        """Carry the decision, note what Mailchimp answered, and close it on its page (after its tags)."""
        steps = {
            Action.INSERT: self._insert_alone,
            Action.UPDATE: self._update,
            Action.MOVE: self._move,
            Action.MERGE: self._merge,
            Action.RESTORE: self._restore,
            Action.ARCHIVE: self._archive,
            Action.UNSUBSCRIBE: self._unsubscribe,
            Action.FLAG: self._flag,
        }
        await steps[decision.action](decision)
        await self._tagged(page, decision)

    async def noted(self, page: Page, decision: Decision, row: MirrorRow) -> None:
        """An update that somebody else carried out: note the answer, close the decision (after its tags)."""
        self._noted(decision, row)
        await self._tagged(page, decision)

    async def _tagged(self, page: Page, decision: Decision) -> None:
        on, off = self._tag_changes(decision)
        if on or off:
            await self._tagger.change(page, decision, on, off)
        else:
            self._flight.close(page)

    async def _update(self, decision: Decision) -> None:
        member = _member(decision)
        try:
            row = await self._target.update(member.hash, None, *self._content(decision, member))
        except RecordRejected as error:
            if error.code != "member_gone":
                raise
            await self._insert_after_all(decision, decision.known.status)
            return
        self._noted(decision, row)

    async def _move(self, decision: Decision, *, may_merge: bool = True) -> None:
        member, old = _member(decision), decision.known.member_hash or b""
        closed = decision.outcome is Outcome.SKIPPED
        try:
            row = await self._target.update(old, member.email, decision.fragment, member.fill_fields)
        except RecordRejected as error:
            if error.code == "address_taken" and may_merge:
                decision.action = Action.MERGE
                await self._merge(decision)
                return
            if error.code == "member_gone" and not closed:
                self._forgotten(decision)
                return
            if closed:
                decision.member_hash = old
                decision.status = decision.known.old_status
                return
            await self._stranded(decision, error)
            raise
        if decision.flags & ARCHIVED_BY_US:
            row = await self._target.restore(member.hash, member.email, decision.fragment, _restored_status(decision))
            decision.flags &= ~ARCHIVED_BY_US
        self._noted(decision, row)

    async def _merge(self, decision: Decision) -> None:
        """Both addresses are members: the stricter consent of the two wins, ours is archived."""
        member = _member(decision)
        there = await self._target.read(member.hash)
        old_closed = is_closed(decision.known.old_status, decision.flags) and not decision.flags & ARCHIVED_BY_US
        if there is None and (old_closed or not is_opted_out(decision.known.status or "subscribed")):
            decision.action = Action.MOVE
            await self._move(decision, may_merge=False)
            return
        if there is None:  # whoever was there had opted out, and is no member any more
            await self._give_up(decision)
            decision.outcome, decision.reason = Outcome.SKIPPED, "opted_out"
            return
        decision.flags = born_as(decision.flags, decision.known)
        if old_closed and not is_opted_out(there.status):
            there = await self._target.unsubscribe(member.hash)
        elif old_closed and not is_closed(there.status, decision.flags):
            decision.flags = decision.flags & ~BORN_UNSUBSCRIBED | REFUSED  # the member itself will never tell
        elif decision.known.ours and there.status == "archived":
            status = "unsubscribed" if old_closed else _restored_status(decision)
            there = await self._target.restore(member.hash, member.email, decision.fragment, status)
        elif not is_closed(there.status, decision.flags):
            there = await self._target.update(member.hash, None, *self._content(decision, member))
        if not old_closed:
            await self._give_up(decision)
        self._noted(decision, there)

    async def _give_up(self, decision: Decision) -> None:
        """Archive the member of the former address."""
        await self._target.archive(decision.known.member_hash or b"")
        decision.gave_up = True
        decision.flags &= ~ARCHIVED_BY_US

    async def _stranded(self, decision: Decision, error: RecordRejected) -> None:
        """The member cannot go where its record has gone. At an address that is closed for good nobody follows, and the
        member is given up; else the record keeps it, and its consent, until it can go."""
        if error.code in SKIPS:
            await self._give_up(decision)
            decision.action = Action.MERGE
        else:
            decision.action, decision.member_hash = Action.NONE, decision.known.member_hash

    def _content(self, decision: Decision, member: Member) -> tuple[bytes, Mapping[str, MergeValue]]:
        """Fragment and fill fields. Who takes a member over that was made for another record leaves none of that
        record's texts in it, whichever of the two was read first."""
        if decision.demote is None or not decision.demote.made_member:
            return decision.fragment, member.fill_fields
        blank = {target: "" for target, type_ in self._run.mapping.targets.items() if type_ != "address"}
        return self._run.encode({**blank, **member.fill_fields, **member.merge_fields}, member.language), {}

    async def _restore(self, decision: Decision) -> None:
        member = _member(decision)
        status = _restored_status(decision)
        if decision.known.status is None:  # it may be gone, and is made anew then
            status = stricter(status, self._run.policy.new_member_status)
        row = await self._target.restore(member.hash, member.email, decision.fragment, status)
        self._noted(decision, row)

    async def _archive(self, decision: Decision) -> None:
        await self._target.archive(decision.known.member_hash or b"")
        decision.status = "archived"

    async def _unsubscribe(self, decision: Decision) -> None:
        hash_ = decision.known.member_hash or decision.member_hash or b""
        decision.status = (await self._target.unsubscribe(hash_)).status

    async def _flag(self, decision: Decision) -> None:
        """Put the inactive mark on a member whose record left the filter."""
        hash_, policy = decision.known.member_hash or b"", self._run.inactive
        if policy["action"] == "tag":
            await self._target.set_tags(hash_, [policy["tag"]], [])
        else:
            mark = self._run.encode({policy["field"]: policy["value"]}, None)
            decision.status = (await self._target.update(hash_, None, mark, {})).status

    async def _insert_alone(self, decision: Decision) -> None:
        """A new member that has to be thought about: with less consent than the others of its run, or of somebody who
        shared an address with others until now. What was said there since we looked goes along, also that nobody is
        there any more."""
        known, most = decision.known, decision.status
        if most == self._run.policy.new_member_status:
            most = None
        if known.old_status is not None:
            there = await self._target.read(known.member_hash or b"")
            if there is None:
                self._forgotten(decision)
                return
            is_news = there.status not in (known.old_status, "archived")  # which may be our own doing
            if is_news and is_opted_out(there.status):
                decision.outcome, decision.reason = Outcome.SKIPPED, "opted_out"
                decision.action, decision.member_hash = Action.NONE, known.member_hash
                return
        await self._insert_after_all(decision, most)

    def _forgotten(self, decision: Decision) -> None:
        """The member of the former address was deleted for good, and the person is the same."""
        decision.outcome, decision.reason = Outcome.SKIPPED, "forgotten"
        decision.member_hash, decision.status = decision.known.member_hash, "forgotten"

    async def _insert_after_all(self, decision: Decision, last_status: str | None) -> None:
        """Mailchimp no longer has the member: a new one, never above the consent last seen."""
        member = _member(decision)
        status = self._run.policy.new_member_status
        if last_status is not None:
            if is_opted_out(last_status):
                decision.outcome, decision.reason, decision.status = Outcome.SKIPPED, "opted_out", "gone"
                return
            status = stricter(status, last_status)
        result = await self._target.insert(
            [NewMember(member.hash, member.email, new_fragment(self._run, decision), member.tags)], status
        )
        if (created := result.created.get(member.hash)) is not None:
            decision.outcome, decision.status = Outcome.CREATED, created
            decision.flags |= born(created)
            decision.action = Action.INSERT
            return
        refused = result.refused.get(member.hash)
        if refused is not None:
            raise RecordRejected(refused.reason, refused.message, field=refused.field)
        raise RecordRejected("member_gone", "Mailchimp neither has this contact nor takes it as a new one")

    def _noted(self, decision: Decision, row: MirrorRow) -> None:
        decision.status = row.status
        closed_by_us = decision.flags & ARCHIVED_BY_US
        if is_closed(row.status, decision.flags) and not closed_by_us:
            decision.outcome = Outcome.SKIPPED
            decision.reason = "forgotten" if row.status == "forgotten" else "opted_out"

    def _tag_changes(self, decision: Decision) -> tuple[list[str], list[str]]:
        """Tags to switch on and off, given what we know to be on; none for people closed to us."""
        member = decision.member
        if member is None or decision.outcome not in CARRIED or decision.action not in TAGGED:
            return [], []
        had = set(decision.known.tags.split(SEPARATOR)) - {""}
        adopted = decision.known.state != "synced" or decision.action is Action.MERGE
        adopted = adopted or decision.demote is not None or decision.drift is not None
        off = set(member.tags_off) | had if adopted else had - set(member.tags)
        on = set(member.tags) if adopted else set(member.tags) - had
        return sorted(on), sorted(off - set(member.tags))


CARRIED = (Outcome.UPDATED, Outcome.CREATED)
TAGGED = (Action.UPDATE, Action.MOVE, Action.MERGE, Action.RESTORE)


def new_fragment(run: OpenRun, decision: Decision) -> bytes:
    """What a new member is sent: with its fill fields, since it has no value yet."""
    member = decision.member
    if member is None or not member.fill_fields:
        return decision.fragment
    return run.encode({**member.merge_fields, **member.fill_fields}, member.language)


def _restored_status(decision: Decision) -> str:
    """Only members that may be written to are archived by us, and none comes back above this."""
    return "unsubscribed" if decision.flags & (BORN_UNSUBSCRIBED | REFUSED) else "transactional"


def _member(decision: Decision) -> Member:
    if decision.member is None:
        raise ValueError(f"{decision.action} needs a member")
    return decision.member
