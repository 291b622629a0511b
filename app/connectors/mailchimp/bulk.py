"""Many calls of one kind as one batch of operations, each accounted for by an id of ours.

Source: Marketing API, "Batch operations".
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec

from app.connectors.mailchimp import payloads
from app.connectors.mailchimp.archives import OperationResult
from app.connectors.mailchimp.batches import MAX_OPERATIONS, Batch, Batches, Operation
from app.connectors.mailchimp.rows import mirror_row
from app.connectors.mailchimp.shapes import MemberRow
from app.domain.audience import MirrorRow
from app.domain.errors import ConnectorError, ProtocolMismatch, RecordRejected, Transient

_LOST = ("mailchimp_archive_gone", "mailchimp_archive_damaged")
"""No use to ask again: it has been asked for three times."""

RowT = TypeVar("RowT")
AnsweredT = TypeVar("AnsweredT")


class Call(NamedTuple):
    """One call that may be repeated; `path` relative to the API root, with its query."""

    method: str
    path: str
    body: bytes


class BatchDesk:
    """The batches of one account, whatever is in them; satisfies `BatchDesk` of app/sync/ports.py."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    async def find(self, id_: UUID, since: datetime, operations: int) -> str | None:
        """The batch that carries our id, submitted at or after `since`; None when there is none.

        Raises Transient while a batch that could be it is still being worked on.
        """
        unfinished: Batch | None = None
        for batch in await self._batches.submitted_since(since):
            if batch.total_operations not in (0, operations):
                continue
            if not batch.finished:
                unfinished = batch
            elif await self._carries(batch.id, id_):
                return batch.id
        if unfinished is not None:
            await self._batches.wait(unfinished.id, seconds=0)
        return None

    async def over(self, vendor_id: str) -> bool:
        """Whether every operation of it has been carried out; false of one that Mailchimp no longer knows."""
        try:
            return (await self._batches.status(vendor_id)).finished
        except RecordRejected:
            return False

    async def cancel(self, vendor_id: str) -> None:
        """Stop it; what was carried out stays."""
        await self._batches.cancel(vendor_id)

    async def _carries(self, vendor_id: str, id_: UUID) -> bool:
        ours: list[bool] = []
        try:
            await self._batches.results(vendor_id, lambda result: ours.append(result.operation_id.startswith(id_.hex)))
        except Transient as error:
            if error.code not in _LOST:
                raise
        return any(ours)


class Bulk(BatchDesk, Generic[RowT, AnsweredT]):
    """Rows of one kind, one call each; satisfies `Bulk` of app/sync/ports.py."""

    largest = MAX_OPERATIONS

    def __init__(
        self,
        batches: Batches,
        call_of: Callable[[RowT], Call],
        read: Callable[[str], AnsweredT],
        *,
        oauth: bool = False,
    ) -> None:
        """`call_of` says how a row is carried out, `read` what the body of its answer means (msgspec.DecodeError when
        nothing)."""
        super().__init__(batches)
        self._call_of = call_of
        self._read = read
        self._oauth = oauth

    async def submit(self, id_: UUID, rows: Sequence[RowT]) -> str:
        """Hand these over under our id; answers Mailchimp's id of the batch.

        Raises Transient with outcome_unknown when no answer came: `find` tells whether it was taken.
        """
        calls = (self._call_of(row) for row in rows)
        operations = [
            Operation(call.method, call.path, f"{id_.hex}.{place}", call.body.decode())
            for place, call in enumerate(calls)
        ]
        return (await self._batches.submit(operations)).id

    async def answers(
        self, vendor_id: str, rows: Sequence[RowT], *, seconds: float
    ) -> dict[int, AnsweredT | ConnectorError]:
        """What became of each row, by its place in the order of submission; absent: unknown.

        Waits until the batch is finished. Raises Transient when that takes longer than `seconds`. Results that cannot
        be had are absent: nothing of a finished batch is to come any more.
        """
        await self._batches.wait(vendor_id, seconds=seconds)
        found: dict[int, AnsweredT | ConnectorError] = {}

        def take(result: OperationResult) -> None:
            place = _place(result.operation_id)
            if place is not None and place < len(rows):
                found[place] = self._answer(result, rows[place])

        try:
            await self._batches.results(vendor_id, take)
        except Transient as error:
            if error.code not in _LOST:
                raise
        return found

    def _answer(self, result: OperationResult, row: RowT) -> AnsweredT | ConnectorError:
        if not result.ok:
            path = self._call_of(row).path.partition("?")[0]
            if (failure := result.failure(path, oauth=self._oauth)) is not None:
                return failure
        try:
            return self._read(result.response or "")
        except msgspec.DecodeError:
            return ProtocolMismatch("mailchimp_archive_shape", "The result of an operation has an unknown shape.")


def _place(operation_id: str) -> int | None:
    place = operation_id.rpartition(".")[2]
    return int(place) if place.isdecimal() else None


_member = msgspec.json.Decoder(MemberRow)


def member_updates(batches: Batches, list_id: str, *, oauth: bool = False) -> Bulk[tuple[bytes, bytes], MirrorRow]:
    """Changes of known members of one audience, without a status; a row is (member hash, fragment)."""
    root = f"/lists/{quote(list_id, safe='')}/members"

    def call_of(row: tuple[bytes, bytes]) -> Call:
        hash_, fragment = row
        return Call("PATCH", f"{root}/{hash_.hex()}?skip_merge_validation=true", payloads.patch_body(fragment))

    return Bulk(batches, call_of, lambda text: mirror_row(_member.decode(text)), oauth=oauth)
