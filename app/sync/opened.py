"""A run that has been claimed and opened: everything its journey needs, in one value."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from app.connections.vault import TenantKeys
from app.db.engine import Database
from app.domain.errors import ConnectorError
from app.domain.mapping import CompiledMapping
from app.domain.planning import Encode, Policy
from app.sync.observing import SILENT, Observer
from app.sync.pages import Page, Position
from app.sync.ports import BulkUpdater, Source, Target

if TYPE_CHECKING:
    from app.sync.braking import Brake
    from app.sync.reconciling import Reconciler


LONGEST_SLICES = 5  # carried as one while nobody waits: opening both ends anew, and draining, costs seconds


class LeaseLost(Exception):
    """Another worker holds the run, or it was ended meanwhile: stop at once and write nothing more."""


class Halted(ConnectorError):
    """The brake: the run would do more than its sync allows and waits for approve or cancel."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Time limits of the engine, in seconds, and how much may happen at once."""

    lease_seconds: float = 45
    heartbeat_seconds: float = 10
    slice_seconds: float = 60
    settle_seconds: float = 130
    put_off_seconds: float = 15  # the first time; longer while nothing moves
    senders: int = 8  # Mailchimp calls in flight
    readers: int = 2  # X3 calls in flight


class Keeper(Protocol):
    """What is done with a page once its members are written, before it is remembered."""

    async def keep(self, page: Page) -> None:
        """May add warnings to the page's decisions; raises what concerns the whole run."""
        ...


@dataclass(slots=True)
class OpenRun:
    """`row` and `sync` are the database rows as claimed; `fence` proves that the run is ours."""

    database: Database
    keys: TenantKeys
    tenant_id: UUID
    sync_id: UUID
    run_id: UUID
    fence: int
    row: Mapping[str, Any]
    sync: Mapping[str, Any]
    audience_id: UUID
    source: Source
    target: Target
    mapping: CompiledMapping
    encode: Encode
    policy: Policy
    pace: Pace
    position: Position | None
    whole: bool  # it stands for the whole stream, so its end moves the watermark
    observer: Observer = SILENT
    reconciler: "Reconciler | None" = None
    keeper: Keeper | None = None
    brake: "Brake | None" = None  # not ruled out: until it is, nothing that changes anything is carried out
    bulk: BulkUpdater | None = None
    bulk_from: int = 1000  # single changes waiting; from so many on a batch of operations is made
    began: float = field(default_factory=time.monotonic)
    notes: list[str] = field(default_factory=list)  # warnings of the preparation, shown with the run
    sheds_contacts: bool = False  # members were made per contact, and are made per party now
    stopping: bool = False  # no new page is to be taken: cancel, or the slice is over
    cancelled: bool = False
    may_go_on: bool = False  # nobody waits for the end of its slice

    @property
    def dry(self) -> bool:
        return bool(self.row["dry_run"])

    @property
    def since(self) -> datetime | None:
        """Where a delta begins; None when everything is read."""
        since: datetime | None = self.row["lower_bound"]
        return since if self.row["mode"] == "delta" else None

    @property
    def first(self) -> bool:
        """Whether the sync has never come to the end of its stream: nearly every record will be written."""
        return self.sync["watermark"] is None and self.row["mode"] == "delta" and not self.dry

    @property
    def slice_is_over(self) -> bool:
        slices = LONGEST_SLICES if self.may_go_on else 1
        return time.monotonic() - self.began > self.pace.slice_seconds * slices

    @property
    def inactive(self) -> Mapping[str, Any]:
        """The sync's inactive policy: action, and tag or field with its value."""
        policy: Mapping[str, Any] = self.sync["inactive"]
        return policy
