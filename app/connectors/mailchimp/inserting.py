"""The insert-only call: what became of each row, and how the one bad row of a refused batch is found.

Source: Marketing API, Lists, "Batch subscribe or unsubscribe" (POST /lists/{list_id}).
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from app.connectors.mailchimp.errors import MemberRefused, row_error
from app.connectors.mailchimp.shapes import BulkAnswer, NewRow
from app.domain.audience import Inserted, NewMember, RowError
from app.domain.errors import ProtocolMismatch, RecordRejected, Transient
from app.domain.member import subscriber_hash

log = structlog.get_logger(__name__)

MAX_ROWS = 500
_EXISTS = "ERROR_CONTACT_EXISTS"
_HOPELESS = 8  # so many rows refused one by one and none accepted: it is not the rows

Post = Callable[[Sequence[NewMember]], Awaitable[BulkAnswer]]


def account_for(rows: Sequence[NewMember], status: str, answer: BulkAnswer) -> Inserted:
    """Sort the rows of one call into created, known and refused; rows the answer does not name are in none.

    Rows come back by address, so they are matched by its hash. A row both created and refused (the address was sent
    twice) is created.
    """
    sent = {row.hash for row in rows}
    created = {hash_: row.status for row in answer.new_members if (hash_ := _hash_of(row)) in sent}
    exists = {hash_ for row in answer.updated_members if (hash_ := _hash_of(row)) in sent}
    refused: dict[bytes, RowError] = {}
    for error in answer.errors:
        hash_ = subscriber_hash(error.email_address or "")
        if hash_ not in sent or hash_ in created:
            continue
        if error.error_code == _EXISTS:
            exists.add(hash_)
        else:
            refused[hash_] = row_error(error.error or "", error.field, error.field_message)
    _report(len(sent) - len(created) - len(exists) - len(refused), created, status)
    return Inserted(created, frozenset(exists), refused)


def _hash_of(row: NewRow) -> bytes:
    if len(row.id) == 32:
        try:
            return bytes.fromhex(row.id)
        except ValueError:
            pass
    return subscriber_hash(row.email_address)


def _report(unaccounted: int, created: dict[bytes, str], status: str) -> None:
    other = sum(1 for answered in created.values() if answered != status)
    if unaccounted or other:
        log.warning("members.insert_differs", unaccounted=unaccounted, other_status=other)


class Splitter:
    """Sends rows; when Mailchimp refuses a whole batch (400), halves it until the bad row is alone."""

    def __init__(self, post: Post, status: str) -> None:
        self._post = post
        self._status = status
        self._created: dict[bytes, str] = {}
        self._exists: set[bytes] = set()
        self._refused: dict[bytes, RowError] = {}
        self._alone = 0  # rows refused one by one
        self._accepted = False

    async def insert(self, rows: Sequence[NewMember]) -> Inserted:
        """All rows accounted for, save those of unknown outcome.

        Raises:
            Transient: nothing is known of any row.
            ProtocolMismatch: every single row is refused as a request, so the rows are not to blame.
        """
        try:
            await self._send(rows)
        except Transient:
            if not (self._created or self._exists or self._refused):
                raise
        return Inserted(self._created, frozenset(self._exists), self._refused)

    async def _send(self, rows: Sequence[NewMember]) -> None:
        try:
            answer = await self._post(rows)
        except RecordRejected as error:
            if len(rows) == 1:
                self._refuse(rows[0], error)
                return
            middle = len(rows) // 2
            await self._send(rows[:middle])
            await self._send(rows[middle:])
            return
        self._accepted = True
        result = account_for(rows, self._status, answer)
        self._created.update(result.created)
        self._exists |= result.exists
        self._refused.update(result.refused)

    def _refuse(self, row: NewMember, error: RecordRejected) -> None:
        self._refused[row.hash] = RowError(error.code, error.message, error.field)
        self._alone += 1
        if self._alone >= _HOPELESS and not self._accepted:
            raise ProtocolMismatch(
                "mailchimp_batch_refused", "Mailchimp refuses every row of a batch.", _title(error)
            ) from None


def _title(error: RecordRejected) -> str | None:
    return error.detail if isinstance(error, MemberRefused) else error.code
