"""What a run needs from the two vendors, as protocols; the connectors satisfy them, tests may too."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from app.domain.audience import Inserted as Inserted
from app.domain.audience import MirrorRow as MirrorRow
from app.domain.audience import NewMember as NewMember
from app.domain.audience import RowError as RowError
from app.domain.errors import ConnectorError
from app.domain.party import Changes, SourcePage

RowT_contra = TypeVar("RowT_contra", contravariant=True)
AnsweredT_co = TypeVar("AnsweredT_co", covariant=True)


class Source(Protocol):
    """Reads one stream of one Sage X3, already bound to a Selection. Every call is paced, retried and typed:
    only NeedsTenant, Transient (budget used up) and ProtocolMismatch leave it."""

    async def clock(self) -> datetime:
        """The source's time, UTC, conservative (Date header of a cheap call before anything else, minus the round
        trip and one second); our own clock minus an allowance when the source tells none."""
        ...

    async def count(self) -> int | None:
        """How many parties the stream holds, when the source can say cheaply."""
        ...

    async def bounds(self) -> tuple[str, str] | None:
        """Smallest and largest key, or None when the stream is empty or cannot be read in ranges."""
        ...

    def scan(self, after: str | None, until: str | None) -> AsyncIterator[SourcePage]:
        """All parties with after < key <= until in key order, one page prefetched; None is open.

        Ranges are compared by the source, so any two of them that share a bound are disjoint and complete.
        """
        ...

    async def can_tell_changes(self) -> bool:
        """Whether changes() names every party that was touched. Where it does not, a run reads everything and lets
        the hashes decide."""
        ...

    def changes(self, since: datetime) -> AsyncIterator[Changes]:
        """Codes touched at or after `since` in any lane of the stream, in pages; a code may come several times."""
        ...

    def by_codes(self, codes: Sequence[str]) -> AsyncIterator[SourcePage]:
        """These parties whole, in the order of sorted codes, several per request. Codes the source no longer has
        are simply absent from the pages."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences on what had to be left out (absent paths, nested pages cut short)."""
        ...


class Target(Protocol):
    """One audience. Each method is one or a few HTTP calls under the account's limiter, retried where a repeat is
    harmless; raises RecordRejected for a refused member, Transient with outcome_unknown when no answer came."""

    async def insert(self, rows: Sequence[NewMember], status: str) -> Inserted:
        """Insert-only, at most 500: POST /lists/{id}, update_existing false. Never changes anybody Mailchimp knows."""
        ...

    async def update(self, hash_: bytes, email: str | None, fragment: bytes, fill: Mapping[str, object]) -> MirrorRow:
        """Change a known member without a status: PATCH /lists/{id}/members/{hash}. `email` moves the address.

        Raises RecordRejected("member_gone") on 404, RecordRejected("address_taken") when the new address exists.
        """
        ...

    async def restore(self, hash_: bytes, email: str, fragment: bytes, status_if_new: str) -> MirrorRow:
        """Bring back a member we archived: PUT with status_if_new, never `subscribed`."""
        ...

    async def read(self, hash_: bytes) -> MirrorRow | None:
        """One member as it is, or None."""
        ...

    async def archive(self, hash_: bytes) -> None:
        """DELETE the member: hidden, reversible, not billed. Absent members count as done."""
        ...

    async def unsubscribe(self, hash_: bytes) -> MirrorRow:
        """PATCH status unsubscribed: the only status we ever write to a known member."""
        ...

    async def set_tags(self, hash_: bytes, on: Sequence[str], off: Sequence[str]) -> None:
        """Tags endpoint with is_syncing, so that no automation starts."""
        ...

    async def tag_many(self, tag: str, add: Sequence[str], remove: Sequence[str]) -> None:
        """Static segment call, at most 500 addresses each way; creates the tag when needed."""
        ...

    def members(self, *, since: datetime | None, whole: bool = False) -> AsyncIterator[Sequence[MirrorRow]]:
        """All members (or those changed since), every status, 1000 a page; `whole` adds merge fields and tags."""
        ...


class BatchDesk(Protocol):
    """The batches of one account, whatever is in them."""

    async def find(self, id_: UUID, since: datetime, operations: int) -> str | None:
        """Mailchimp's id of the batch submitted under ours; Transient while one that may be it is being worked on."""
        ...

    async def over(self, vendor_id: str) -> bool:
        """Whether it was carried out to its end, so that it changes nothing any more."""
        ...

    async def cancel(self, vendor_id: str) -> None:
        """Stop it; what was carried out stays. One that is gone counts as stopped."""
        ...


class Bulk(BatchDesk, Protocol[RowT_contra, AnsweredT_co]):
    """Many changes of one kind, one call each, carried out by Mailchimp one batch at a time."""

    @property
    def largest(self) -> int:
        """The most rows of one batch."""
        ...

    async def submit(self, id_: UUID, rows: Sequence[RowT_contra]) -> str:
        """Hand these over under our id; answers Mailchimp's. Raises Transient, outcome_unknown."""
        ...

    async def answers(
        self, vendor_id: str, rows: Sequence[RowT_contra], *, seconds: float
    ) -> Mapping[int, AnsweredT_co | ConnectorError]:
        """Wait until it is finished; per place what was answered, or the error a direct call would have raised. Absent
        places are of unknown outcome."""
        ...


BulkUpdater = Bulk[tuple[bytes, bytes], MirrorRow]
"""Changes of known members of one audience; a row is (hash, fragment)."""
