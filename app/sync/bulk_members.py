"""Plain updates of known members as batches of operations."""

from app.domain.errors import RecordRejected
from app.domain.planning import Action
from app.sync.bulking import BulkSender, Pair
from app.sync.changing import Changer
from app.sync.flight import Flight
from app.sync.outbox import Row
from app.sync.ports import BulkUpdater, MirrorRow, RowError
from app.sync.refusing import refuse


class MemberBulkSender(BulkSender[Row, tuple[bytes, bytes], MirrorRow]):
    """The one sender of batches of a run of members."""

    def __init__(self, flight: Flight, changer: Changer, bulk: BulkUpdater, least: int) -> None:
        super().__init__(flight.run, bulk, flight.changes, flight.run.audience_id, least)
        self._flight = flight
        self._changer = changer

    def is_plain(self, item: Row) -> bool:
        decision = item[1]
        member = decision.member
        plain = decision.action is Action.UPDATE and decision.demote is None and not decision.alone
        return plain and member is not None and not member.fill_fields

    def row(self, item: Row) -> tuple[bytes, bytes]:
        return _hash(item), item[1].fragment

    def pair(self, item: Row) -> Pair:
        return _hash(item), item[1].fingerprint or bytes(16)

    def singly(self, item: Row) -> None:
        item[1].alone = True

    async def carried(self, item: Row, answer: MirrorRow) -> None:
        await self._changer.noted(*item, answer)

    def refused(self, item: Row, error: RecordRejected) -> bool:
        if error.code == "member_gone":
            return False
        page, decision = item
        refuse(decision, RowError(error.code, error.message, error.field))
        self._flight.close(page)
        return True


def _hash(item: Row) -> bytes:
    member = item[1].member
    return member.hash if member is not None else bytes(16)
