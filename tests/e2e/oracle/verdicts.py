"""What a run must make of every record and of every member, given what earlier runs did."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from tests.e2e.oracle.people import Nobody, Person

Members = Mapping[str, Mapping[str, Any]]
"""An audience: what the sandbox shows of each member, by address in small letters."""

CLOSED = ("unsubscribed", "cleaned", "archived", "forgotten")
STRICTNESS = ("subscribed", "pending", "transactional", "unsubscribed")
CLAIMLESS = ("filtered", "no_email", "bad_email", "contact_gone", "x3_deleted", "mailing_prohibited")
FAKE = ("example.com", "example.org", "example.net")


@dataclass(frozen=True)
class Memory:
    """What must be remembered of a record. `email` is the member it stands for; `tags` those we put on it."""

    state: str
    reason: str | None = None
    email: str | None = None
    content: Any = None
    tags: frozenset[str] = frozenset()
    retired: bool = False  # taken out because of the inactive policy
    archived: bool = False  # by us
    has_refused: bool = False  # under an address it has no longer; the present one does not say so
    is_active: bool = True

    @property
    def has_claim(self) -> bool:
        """Whether the record has a say about its address; not if it has left, may not be mailed, or is taken out."""
        return self.reason not in CLAIMLESS and not (self.retired and self.state == "synced")


@dataclass(frozen=True)
class Verdict:
    """How a record ends in a run; `or_reasons` would be as right: Mailchimp's word is asked for only when needed."""

    outcome: str  # created, updated, unchanged, skipped, rejected; carried: created or updated
    reason: str | None = None
    or_reasons: tuple[str | None, ...] = ()


@dataclass
class Judgement:
    """The audience as it must be, the verdict and the memory of each key.

    At `loose` addresses several records come and go at once: only the present owner's content counts there, or that
    nobody is left. If somebody had opted out at one of them, all may be `shut`: of two consents the stricter one wins.
    """

    members: dict[str, dict[str, Any]]
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)
    loose: dict[str, Person | None] = field(default_factory=dict)
    shut: bool = False
    archived_before: frozenset[str] = frozenset()
    refused_before: frozenset[str] = frozenset()
    vacated: set[str] = field(default_factory=set)  # addresses whose refusal went along with whoever left them
    ghosts: frozenset[str | None] = frozenset()  # addresses of records that X3 no longer has; nobody has noticed yet
    ours: set[str] = field(default_factory=set)  # addresses that we have archived
    born: set[str] = field(default_factory=set)  # members we made unsubscribed: nobody has refused anything there
    heirs: dict[str, Person] = field(default_factory=dict)  # who took over a member that another record had


@dataclass(frozen=True)
class Terms:
    """A sync's terms and what is known of some addresses: forgotten or throttled by Mailchimp, archived by us.

    `again` are keys that get a second chance.
    """

    new_member_status: str
    policy: Mapping[str, Any]
    ours: frozenset[str] = frozenset()
    forgotten: frozenset[str] = frozenset()
    throttled: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()
    vacated: frozenset[str] = frozenset()
    born: frozenset[str] = frozenset()

    @property
    def inactive(self) -> str:
        action: str = self.policy["action"]
        return action


def judge(
    members: Members, found: Sequence[Person | Nobody], memories: Mapping[str, Memory], terms: Terms
) -> Judgement:
    """What one complete run must do. Records that X3 no longer has stay as they were."""
    codes = {candidate.key.partition("/")[0] for candidate in found}
    present = {candidate.key for candidate in found}
    gone = [
        Nobody(key, "contact_gone", is_active=memory.is_active)
        for key, memory in sorted(memories.items())
        if memory.state == "synced" and key not in present and key.partition("/")[0] in codes
    ]
    found = [*found, *gone]
    bench = _Bench(members, found, memories, terms)
    bench.made.ghosts = frozenset(m.email for key, m in memories.items() if key not in present)
    for candidate in found:  # those who leave an address go before those who come
        if bench.leaves(candidate):
            bench.decide(candidate)
    for candidate in found:
        if candidate.key not in bench.made.verdicts:
            bench.decide(candidate)
    return bench.made


class _Bench:
    def __init__(
        self, members: Members, found: Sequence[Person | Nobody], memories: Mapping[str, Memory], terms: Terms
    ) -> None:
        self.made = Judgement({email: dict(deepcopy(member)) for email, member in members.items()})
        self.made.vacated |= terms.vacated - members.keys()
        self.made.archived_before = frozenset(e for e, member in members.items() if member["status"] == "archived")
        self.made.memories.update(memories)
        self.made.ours |= terms.ours
        self.terms = terms
        self.made.born |= {
            email for email in terms.born if self.status(email) == "unsubscribed" or self._is_ours(email)
        }
        left = (email for email, member in members.items() if member["status"] in ("unsubscribed", "cleaned"))
        self.made.refused_before = frozenset(email for email in left if self.is_closed(email))
        self.found = {one.key: one for one in found}
        people = [one for one in found if isinstance(one, Person)]
        self.owners: dict[str, tuple[bool, str]] = {}
        for one in people:
            rank = (not one.is_active, one.key)
            if not one.is_prohibited and rank < self.owners.get(one.email.lower(), (True, "\U0010ffff")):
                self.owners[one.email.lower()] = rank
        self._let_ghosts_own({one.key for one in found})
        self.claims: defaultdict[str | None, set[str]] = defaultdict(set)
        self.stood_for: defaultdict[str | None, set[str]] = defaultdict(set)
        for key, memory in memories.items():
            self.claims[memory.email] |= {key} if memory.has_claim else set()
            self.stood_for[memory.email] |= {key} if memory.state == "synced" else set()
        self._entangle(people)

    def _let_ghosts_own(self, present: set[str]) -> None:
        """Records that X3 no longer has keep their addresses until a comparison of both sides, or a better owner."""
        for key, memory in list(self.made.memories.items()):
            if key in present or memory.state != "synced" or memory.email is None:
                continue
            rank = (not memory.is_active, key)
            if rank < self.owners.get(memory.email, (True, "\U0010ffff")):
                self.owners[memory.email] = rank
            else:
                self.made.memories[key] = replace(memory, state="skipped", reason="duplicate_email")

    def _entangle(self, people: Sequence[Person]) -> None:
        """Addresses that one record leaves while another one comes."""
        left = {was for one in people if (was := self.memory(one).email) not in (None, one.email.lower())}
        come = {one.email.lower() for one in people if self.memory(one).email != one.email.lower()}
        for one in people:
            both = {email for email in (self.memory(one).email, one.email.lower()) if email}
            if both & left & come:
                self.made.loose.update(dict.fromkeys(both))
        self.made.shut = any(self.status(email) in CLOSED for email in self.made.loose)

    def memory(self, candidate: Person | Nobody) -> Memory:
        return self.made.memories.get(candidate.key, Memory("unknown"))

    def leaves(self, candidate: Person | Nobody) -> bool:
        was = self.memory(candidate).email
        return was is not None and (isinstance(candidate, Nobody) or candidate.email.lower() != was)

    def status(self, email: str | None) -> str | None:
        """None when Mailchimp does not know the address."""
        if email in self.terms.forgotten:
            return "forgotten"
        return self.made.members[email]["status"] if email in self.made.members else None

    def is_closed(self, email: str | None) -> bool:
        """Whether a member must be left alone; not when the tenant wanted it unsubscribed from the start."""
        status = self.status(email)
        return status in CLOSED and not (status == "unsubscribed" and email in self.made.born)

    def end(self, candidate: Person | Nobody, outcome: str, reason: str | None = None, **memory: Any) -> None:
        """Write the verdict down, and what is remembered from now on."""
        or_reasons = memory.pop("or_reasons", ())
        if reason == "forgotten":  # Mailchimp tells nobody; whoever had left before is still known for that
            or_reasons = (*or_reasons, "opted_out")
        self.made.verdicts[candidate.key] = Verdict(outcome, reason, or_reasons)
        if reason == "refused_before":
            return
        before = self.memory(candidate)
        state = {"skipped": "skipped", "rejected": "rejected"}.get(outcome, "synced")
        kept = replace(before, state=state, reason=reason, is_active=candidate.is_active)
        self.made.memories[candidate.key] = replace(kept, **memory)

    # -- one record ---------------------------------------------------------------------------------------------

    def decide(self, candidate: Person | Nobody) -> None:
        if isinstance(candidate, Nobody):
            self._nobody(candidate)
        elif candidate.is_prohibited:
            self._prohibited(candidate)
        elif self.owners[candidate.email.lower()][1] != candidate.key:
            self._second(candidate)
        elif not candidate.is_active and self.terms.inactive in ("archive", "unsubscribe"):
            self._retire(candidate)
        elif candidate.email.lower() in self.made.loose:
            self._loose(candidate)
        else:
            self._carry(candidate)

    def _loose(self, one: Person) -> None:
        known, email = self.memory(one), one.email.lower()
        self.made.loose[email] = one
        if not self.made.shut:
            self._carried(one, "carried")
            return
        stays = self.is_closed(known.email) and self.status(email) is None
        self._carried(one, "carried", or_reasons=(None, "opted_out", "forgotten"))
        if stays:  # with nowhere to take a refusal to
            self.made.memories[one.key] = replace(self.made.memories[one.key], email=known.email)

    def _nobody(self, candidate: Nobody) -> None:
        known = self.memory(candidate)
        if candidate.reason == "bad_email":
            same = known.state == "rejected" and known.content == candidate.wrong and not self._again(candidate)
            if same:
                self.end(candidate, "skipped", "refused_before")
            else:
                self.end(candidate, "rejected", "bad_email", content=candidate.wrong)
            return
        is_there = known.state == "synced" and self.status(known.email) and not self.is_closed(known.email)
        leaves = is_there and not self._shared(candidate) and known.email not in self.owners
        if leaves:
            self._loses_its_record(known.email or "")
        archived = known.archived or (bool(leaves) and self.terms.inactive == "archive")
        self.end(candidate, "skipped", candidate.reason, archived=archived)

    def _loses_its_record(self, email: str) -> None:
        """The inactive policy is applied to a member whose record is no longer carried, or has no address any more."""
        member, policy = self.made.members[email], self.terms.policy
        if policy["action"] == "archive":
            self._archive(email)
        elif policy["action"] == "unsubscribe":
            member["status"] = "unsubscribed"
        elif policy["action"] == "tag":
            member["tags"] = sorted({*member["tags"], policy["tag"]})
        elif policy["action"] == "merge_field":
            member["merge_fields"] = {**member["merge_fields"], policy["field"]: policy["value"]}

    def _archive(self, email: str) -> None:
        self.made.members[email]["status"] = "archived"
        self.made.ours.add(email)

    def _prohibited(self, one: Person) -> None:
        """A legal signal: whoever we made a member may not be mailed any more."""
        known = self.memory(one)
        reach = one.email.lower() if self.status(one.email.lower()) is not None else known.email
        ours = known.state == "synced" and known.email is not None
        if ours and self.status(reach) in ("subscribed", "pending"):
            self.made.members[known.email or ""]["status"] = "unsubscribed"
        email = known.email if ours and known.email else one.email.lower()
        self.end(one, "skipped", "mailing_prohibited", email=email)

    def _second(self, one: Person) -> None:
        """Somebody else owns the address; what we made for this record elsewhere is archived."""
        known, email = self.memory(one), one.email.lower()
        closed = self.is_closed(known.email)  # before anything is archived here
        alone = known.email not in (None, email) and not self._shared(one)
        if known.state == "synced" and alone and self.status(known.email) and not closed:
            self._archive(known.email or "")
        left = known.email != email and closed and not known.archived
        status = self.status(email)
        # nobody is written to at a closed address: whoever has it may be asked, or only the first
        reasons = ("opted_out", self._closed(status), None) if status in CLOSED else ("opted_out",)
        self.end(one, "skipped", "duplicate_email", email=email, or_reasons=reasons,
                 has_refused=left or known.has_refused)  # fmt: skip

    def _retire(self, one: Person) -> None:
        known = self.memory(one)
        if known.retired:
            self.end(one, "unchanged", or_reasons=("duplicate_email",) if known.email in self.made.loose else ())
            kept = self.made.memories[one.key]
            self.made.memories[one.key] = replace(kept, state=known.state, reason=known.reason)
            return
        status = self.status(known.email)
        if known.state != "synced" or status is None or self.is_closed(known.email):
            self.end(one, "skipped", self._closed(status) if status in CLOSED else "inactive",
                     email=one.email.lower(), or_reasons=("inactive", "opted_out"))  # fmt: skip
            return
        archives = self.terms.inactive == "archive"
        if archives:
            self._archive(known.email or "")
        else:
            self.made.members[known.email or ""]["status"] = "unsubscribed"
        self.end(one, "updated", retired=True, archived=archives)

    def _carry(self, one: Person) -> None:
        known, email = self.memory(one), one.email.lower()
        moved = known.email not in (None, email)
        if known.state == "rejected" and known.content == one.content and not self._again(one):
            self.end(one, "skipped", "refused_before")
        elif known.has_refused:
            self._stays_out(one, email)
        elif known.archived and not moved and self.status(email) == "archived":
            self._restore(one, email)
            self._carried(one, "updated")
        elif known.archived and not moved and self.status(email) is None:
            self._remake(one, email)
        elif moved and known.reason != "duplicate_email" and self.status(known.email) is not None:
            self._moved(one, known)
        elif moved and self.is_closed(known.email):
            self.end(one, "skipped", self._closed(self.status(known.email)))  # who shares an address shares its consent
        elif self._is_ours(email):
            self._restore(one, email)
            self._carried(one, "updated")
        elif self.is_closed(email):
            same = known.state == "synced" and known.content == one.content
            reason = self._closed(self.status(email))
            self.end(one, "skipped", reason, email=email, or_reasons=(None,) if same else (), content=one.content)
        elif not moved and known.state == "synced" and known.content == one.content and known.reason is None:
            self.end(one, "unchanged")
        elif self.status(email) is None:
            self._new(one, self.status(known.email) if moved else None)
        else:
            self._write(one, email, adopt=known.state != "synced")
            self._carried(one, "updated")

    def _stays_out(self, one: Person, email: str) -> None:
        """Whoever had opted out elsewhere does not come back by way of a shared address."""
        status, silent = self.status(email), self._is_ours(email) or email in self.made.born
        if self._is_ours(email) or (status is not None and status not in CLOSED):
            self._shut(email)
        self.end(one, "skipped", "opted_out", email=email, has_refused=status is None or silent)

    def _moved(self, one: Person, known: Memory) -> None:
        """The person has another address: the member goes along, and so does its consent."""
        email, was = one.email.lower(), known.email or ""
        old, there = self.status(was), self.status(email)
        closed = self.is_closed(was) and not known.archived
        if self._shared(one):
            self._leaves_a_shared_one(one, was, closed)
            return
        if there is None and old == "forgotten":  # nobody is left to move, and the person is the same
            self.end(one, "skipped", "forgotten", content=one.content)
            return
        if there is None:
            if not closed and email in self.made.vacated:
                self._archive(was)
            if self._refused(one, may_be_shut=closed, stays_at=was):
                return
            if closed and old in ("unsubscribed", "cleaned"):
                self.made.vacated.add(was)
            self.made.vacated.discard(email)
            self.made.members[email] = {**self.made.members.pop(was), "email": one.email}
            if was in self.made.born:
                self.made.born = self.made.born - {was} | {email}
            if known.archived:
                self._restore(one, email)
            else:
                self._write(one, email, adopt=known.state != "synced")
            self._carried(one, "skipped" if closed else "updated", self._closed(old) if closed else None)
            return
        if closed and there == "forgotten":  # nothing goes there, and a refusal stays where it is
            self.end(one, "skipped", "forgotten", content=one.content)
            return
        there_closed = self.is_closed(email) and not self._is_ours(email)
        silent = closed and there == "unsubscribed" and email in self.made.born
        if closed and not there_closed and not silent:
            self._shut(email)
        elif closed:
            pass
        elif self._is_ours(email):
            self._restore(one, email)
        elif not there_closed:
            self._write(one, email, adopt=True)
        if not closed:
            self._archive(was)
        shut = closed or there_closed
        self._carried(one, "skipped" if shut else "updated", self._closed(there) if shut else None, has_refused=silent)

    def _leaves_a_shared_one(self, one: Person, was: str, closed: bool) -> None:
        """The old address stays with whoever shares it; its consent counts for the new one all the same."""
        email = one.email.lower()
        if closed:
            self.end(one, "skipped", self._closed(self.status(was)))
        elif self._is_ours(email):
            self._restore(one, email)
            self._carried(one, "updated")
        elif self.is_closed(email):
            self.end(one, "skipped", self._closed(self.status(email)), email=email)
        elif self.status(email) is None:
            self._new(one, self.status(was))
        else:
            self._write(one, email, adopt=True)
            self._carried(one, "updated")

    # -- members ------------------------------------------------------------------------------------------------

    def _new(self, one: Person, status_before: str | None) -> None:
        """Somebody Mailchimp does not know; never with more consent than the address this one comes from."""
        if self._refused(one):
            return
        email = one.email.lower()
        status = max(self.terms.new_member_status, status_before or "subscribed", key=STRICTNESS.index)
        self.made.members[email] = {
            "email": one.email,
            "status": status,
            "merge_fields": {},
            "tags": [],
            "language": "",
        }
        self._write(one, email, adopt=True)
        if status == "unsubscribed":
            self.made.born.add(email)
        self._carried(one, "created")

    def _remake(self, one: Person, email: str) -> None:
        """What we had archived left with another record: back, but for receipts only."""
        if self._refused(one):
            return
        self.made.members[email] = {"email": one.email, "merge_fields": {}, "tags": [], "language": ""}
        self._restore(one, email)
        status = self.made.members[email]["status"]
        self.made.members[email]["status"] = max(status, self.terms.new_member_status, key=STRICTNESS.index)
        self._carried(one, "updated")

    def _refused(self, one: Person, *, may_be_shut: bool = False, stays_at: str | None = None) -> bool:
        """Addresses Mailchimp does not take, and those that had refused; another refusal may come there. A member that
        was to move there stays where it is, and its record with it."""
        email = one.email.lower()
        if email in self.terms.forgotten:
            self.end(one, "skipped", "forgotten", email=email, content=one.content)
        elif email.rpartition("@")[2] in FAKE:
            self.end(one, "rejected", "fake_address", email=stays_at or email, content=one.content)
        elif email in self.made.vacated and not may_be_shut:
            self.end(one, "skipped", "opted_out", email=email, content=one.content)
        elif email in self.terms.throttled:
            self.end(one, "rejected", "too_many_signups", email=stays_at or email, content=one.content)
        else:
            return False
        return True

    def _write(self, one: Person, email: str, *, adopt: bool) -> None:
        """Our fields and tags, and nothing else. A member we have not written before gives up the tags that are off."""
        member, had = self.made.members[email], self.memory(one).tags
        fill = {tag: value for tag, value in one.fill.items() if not str(member["merge_fields"].get(tag, "")).strip()}
        member["merge_fields"] = {**member["merge_fields"], **one.fields, **fill}
        off = (one.off | had if adopt else had) - one.tags
        on = one.tags if adopt else one.tags - had
        member["tags"] = sorted((set(member["tags"]) - off) | on)
        member["language"] = one.language or member["language"]
        if self.stood_for[email] - {one.key}:
            self.made.heirs[email] = one

    def _is_ours(self, email: str) -> bool:
        """Whether the member is archived, and that was our own doing."""
        return self.status(email) == "archived" and email in self.made.ours

    def _shut(self, email: str) -> None:
        """A refusal comes to an address whose member did not say so."""
        self.made.members[email]["status"] = "unsubscribed"
        self.made.ours.discard(email)
        self.made.born.discard(email)

    def _restore(self, one: Person, email: str) -> None:
        """Nobody comes back with more than receipts."""
        self._write(one, email, adopt=self.memory(one).state != "synced")
        self.made.members[email]["status"] = "unsubscribed" if email in self.made.born else "transactional"
        self.made.ours.discard(email)

    def _carried(self, one: Person, outcome: str, reason: str | None = None, **memory: Any) -> None:
        tags = one.tags if outcome != "skipped" else self.memory(one).tags
        self.end(one, outcome, reason, email=one.email.lower(), content=one.content, tags=tags,
                 **{"retired": False, "archived": False, **memory})  # fmt: skip

    def _shared(self, candidate: Person | Nobody) -> bool:
        """Whether another record has a claim to the address that this one stood for. What becomes of the member of one
        that has left is decided when all others have come and gone."""
        email = self.memory(candidate).email
        others = self.claims[email] - {candidate.key}
        if isinstance(candidate, Nobody):
            others = {key for key in others if self._keeps(key, email)}
        return bool(others)

    def _keeps(self, key: str, email: str | None) -> bool:
        """Whether a record still has the address; one that X3 no longer has keeps it, since nobody has noticed."""
        one = self.found.get(key)
        return one is None or (isinstance(one, Person) and not one.is_prohibited and one.email.lower() == email)

    def _again(self, candidate: Person | Nobody) -> bool:
        return candidate.key in self.terms.again

    @staticmethod
    def _closed(status: str | None) -> str:
        return "forgotten" if status == "forgotten" else "opted_out"
