"""The words of a decision: what is known of a record, what may be done for it, how it may end. Pure."""

import hashlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

import msgspec

from app.domain.consent import is_opted_out
from app.domain.member import Member, MergeValue

SEPARATOR = "\x1f"

FLAGGED_INACTIVE = 1  # the inactive policy has been applied and not reversed
ARCHIVED_BY_US = 2
CREATED_BY_US = 4
UNSUBSCRIBED_BY_US = 8
BORN_UNSUBSCRIBED = 16  # made by us as unsubscribed, which is nobody's refusal
REFUSED = 32  # its person had opted out under an address it has no longer, and the present one does not say so yet


class Action(StrEnum):
    """The one call (or small fixed sequence of calls) that carries a decision."""

    NONE = "none"
    INSERT = "insert"  # insert-only bulk row
    UPDATE = "update"  # PATCH without status
    MOVE = "move"  # PATCH the old member to the new address
    MERGE = "merge"  # the new address is a member already: update it, archive ours
    RESTORE = "restore"  # bring back what we archived
    ARCHIVE = "archive"
    UNSUBSCRIBE = "unsubscribe"
    FLAG = "flag"  # put the inactive mark on a member that left the filter


class Outcome(StrEnum):
    """Where a record of a run ends; the six counts of a run."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REJECTED = "rejected"


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Another record of the same sync that stands for the same address, or keeps it shut since it has refused."""

    key: str
    is_active: bool
    run_id: UUID
    made_member: bool = False  # the member was made for it, so whatever it holds came from that record


class Known(msgspec.Struct, frozen=True, gc=False):
    """What the ledger remembers of one key, and Mailchimp's status of its addresses (None: not a member)."""

    state: str | None = None
    reason: str | None = None
    member_hash: bytes | None = None
    fingerprint: bytes | None = None
    tags: str = ""
    flags: int = 0
    is_active: bool = True
    status: str | None = None
    old_status: str | None = None  # of the remembered address, when it differs from the present one
    owner: Owner | None = None
    old_shared: bool = False  # other records of the sync have a claim to the remembered address
    ours: bool = False  # the present address is archived, and that was our own doing for another record
    born: bool = False  # the member of the present address was made by us as unsubscribed, and nobody said more since
    owner_leaves: bool = False  # on this very page
    old_taken: bool = False  # a neighbour on the page comes to the remembered address


def is_shut(known: Known) -> bool:
    """Whether the present address is closed to us."""
    return is_closed(known.status, BORN_UNSUBSCRIBED if known.born else 0)


def is_closed(status: str | None, flags: int = 0) -> bool:
    """Whether Mailchimp knows the address in a status that is closed to us.

    A member whom the tenant wanted to be `unsubscribed` from the start is not: no call of ours ever opens it.
    """
    if status == "unsubscribed" and flags & BORN_UNSUBSCRIBED:
        return False
    return status is not None and is_opted_out(status)


def born(status: str) -> int:
    """Flags of a member that we have just made with this status."""
    return CREATED_BY_US | (BORN_UNSUBSCRIBED if status == "unsubscribed" else 0)


def born_as(flags: int, known: Known) -> int:
    """The flags of a record that stands for the member of its present address from now on."""
    return flags | BORN_UNSUBSCRIBED if known.born else flags & ~BORN_UNSUBSCRIBED


UNKNOWN = Known()
LEFT = ("filtered", "no_email", "contact_gone", "x3_deleted")  # reasons for which a member loses its record
CLAIMLESS = (*LEFT, "mailing_prohibited", "bad_email")  # whoever ended so has no say about the address remembered
FINAL = ("opted_out", "forgotten")  # answers that stay true until the source record changes


class Policy(msgspec.Struct, frozen=True):
    """The parts of a sync that decide; `inactive` is its action."""

    new_member_status: str
    inactive: str

    @property
    def retires(self) -> bool:
        """Whether inactive records have no member; else theirs is marked."""
        return self.inactive in ("archive", "unsubscribe")


class Decision(msgspec.Struct, gc=False):
    """What happens to one record; `outcome` and `reason` are expectations until the call has answered."""

    key: str
    code: str
    action: Action
    outcome: Outcome
    reason: str | None
    is_active: bool
    member: Member | None = None
    fragment: bytes = b""
    fingerprint: bytes | None = None
    known: Known = UNKNOWN
    demote: Owner | None = None  # this record takes the address over from that one
    status: str | None = None  # for INSERT: status of the new row; afterwards: what Mailchimp answered
    detail: str = ""
    field: str | None = None
    drift: str | None = None  # how the audience differs although the record has not changed (reconcile runs)
    flags: int = 0
    remember: bool = True  # whether the ledger row changes
    alone: bool = False  # to be sent by a call of its own, not in a batch of operations
    gave_up: bool = False  # the member of the former address was archived
    later: bool = False  # to be decided once more when all others have been carried; nothing happens now
    done: bool = False  # the call was made by an earlier holder of the run: only to be remembered
    member_hash: bytes | None = None  # what the ledger shall hold
    warnings: list[tuple[str, str]] = []

    @property
    def writes(self) -> bool:
        return self.action is not Action.NONE

    @property
    def has_effect(self) -> bool:
        """Whether a call is made or the ledger changes."""
        return self.remember or self.action is not Action.NONE


Encode = Callable[[Mapping[str, MergeValue], str | None], bytes]


def fingerprint(member: Member, fragment: bytes, encode: Encode) -> bytes:
    """16 bytes that change exactly when something we would send for this member changes."""
    digest = hashlib.sha256(b"%b%b%b" % (fragment, member.email.encode(), _tail(member.tags, member.tags_off)))
    if member.fill_fields:
        digest.update(encode(member.fill_fields, None))
    return digest.digest()[:16]


@lru_cache(maxsize=1024)
def _tail(on: tuple[str, ...], off: tuple[str, ...]) -> bytes:
    return SEPARATOR.join(("", *on, "", *off)).encode()


def better(key: str, is_active: bool, other: Owner) -> bool:
    """Whether a record shall own an address rather than `other`: active first, then the lowest key."""
    return (not is_active, key) < (not other.is_active, other.key)


NO_RUN = UUID(int=0)
NOBODY = Owner("\U0010ffff", False, NO_RUN)
