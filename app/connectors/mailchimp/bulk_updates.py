"""Many changes of known members as one batch of operations, each accounted for by an id of ours.

Source: Marketing API, "Batch operations".
"""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

import msgspec

from app.connectors.mailchimp import payloads
from app.connectors.mailchimp.archives import OperationResult
from app.connectors.mailchimp.batches import MAX_OPERATIONS, Batch, Batches, Operation
from app.connectors.mailchimp.rows import mirror_row
from app.connectors.mailchimp.shapes import MemberRow
from app.domain.audience import BulkAnswered, MirrorRow
from app.domain.errors import ConnectorError, ProtocolMismatch, RecordRejected

_member = msgspec.json.Decoder(MemberRow)


class BulkUpdates:
    """Changes of members of one audience; satisfies `BulkUpdater` of app/sync/ports.py."""

    largest = MAX_OPERATIONS

    def __init__(self, batches: Batches, list_id: str, *, oauth: bool = False) -> None:
        self._batches = batches
        self._root = f"/lists/{quote(list_id, safe='')}/members"
        self._oauth = oauth

    async def submit(self, id_: UUID, rows: Sequence[tuple[bytes, bytes]]) -> str:
        """Hand over (member hash, fragment) changes, without a status; answers Mailchimp's id of the batch.

        Raises Transient with outcome_unknown when no answer came: `find` tells whether it was taken.
        """
        operations = [
            Operation("PATCH", self._path(hash_), f"{id_.hex}.{place}", payloads.patch_body(fragment).decode())
            for place, (hash_, fragment) in enumerate(rows)
        ]
        return (await self._batches.submit(operations)).id

    async def answers(self, vendor_id: str, rows: Sequence[bytes], *, seconds: float) -> dict[int, BulkAnswered]:
        """What became of each row (member hashes in the order of submission), by place; absent: unknown.

        Waits until the batch is finished. Raises Transient when that takes longer than `seconds`.
        """
        await self._batches.wait(vendor_id, seconds=seconds)
        found: dict[int, BulkAnswered] = {}
        for result in await self._batches.results(vendor_id):
            place = _place(result.operation_id)
            if place is not None and place < len(rows):
                found[place] = self._answer(result, self._path(rows[place]))
        return found

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
                continue
            results = await self._batches.results(batch.id)
            if any(result.operation_id.startswith(id_.hex) for result in results):
                return batch.id
        if unfinished is not None:
            await self._batches.wait(unfinished.id, seconds=0)
        return None

    async def over(self, vendor_id: str) -> bool:
        """Whether it has been carried out (or forgotten) and changes nothing any more."""
        try:
            return (await self._batches.status(vendor_id)).finished
        except RecordRejected:
            return True

    async def cancel(self, vendor_id: str) -> None:
        """Stop it; what was carried out stays."""
        await self._batches.cancel(vendor_id)

    def _path(self, hash_: bytes) -> str:
        return f"{self._root}/{hash_.hex()}?skip_merge_validation=true"

    def _answer(self, result: OperationResult, path: str) -> MirrorRow | ConnectorError:
        if (failure := result.failure(path.partition("?")[0], oauth=self._oauth)) is not None:
            return failure
        try:
            return mirror_row(_member.decode(result.response or ""))
        except msgspec.DecodeError:
            return ProtocolMismatch("mailchimp_archive_shape", "The result of an operation has an unknown shape.")


def _place(operation_id: str) -> int | None:
    place = operation_id.rpartition(".")[2]
    return int(place) if place.isdecimal() else None
