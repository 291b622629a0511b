"""Who is billed: read from X3, held against prohibition, suppression and the audience, kept for a while."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import msgspec

from app.connectors.mailchimp.commerce_payloads import MAX_CUSTOMER_ID
from app.db import audiences, suppression
from app.domain.member import Skip
from app.domain.order_planning import Buyer
from app.domain.party import Party
from app.sync.order_opened import OpenOrders

KEPT = 2_000
CLOSED = {"archived": "archived", "forgotten": "forgotten"}
"""Statuses of people for whom no new customer may be made: Mailchimp brings archived contacts back when their shop
tells of them. Who unsubscribed stays so whatever a store says, and an order sends nobody mail."""


class Buyers:
    """Customers by code. A code X3 does not have, or refuses, is a buyer too: one with a reason."""

    def __init__(self, opened: OpenOrders) -> None:
        self._opened = opened
        self._kept: OrderedDict[str, Buyer] = OrderedDict()

    async def of(self, codes: Iterable[str]) -> dict[str, Buyer]:
        """A buyer for each of these codes."""
        wanted = set(codes)
        found = {code: self._kept[code] for code in wanted & self._kept.keys()}
        if missing := sorted(wanted - found.keys()):
            read = await self._judged(await self._read(missing))
            found.update(read)
            self._kept.update(read)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    async def _read(self, codes: Sequence[str]) -> dict[str, Buyer]:
        buyers = {code: Buyer(code, reason="customer_missing") for code in codes}
        async for page in self._opened.buyers.by_codes(codes):
            for party in page.parties:
                buyers[party.code] = self._buyer(party)
        return buyers

    def _buyer(self, party: Party) -> Buyer:
        compiled = self._opened.compiled
        if len(party.code) > MAX_CUSTOMER_ID:
            return Buyer(party.code, reason="customer_code_too_long")
        (made, *_) = compiled.customers.members(party)
        if isinstance(made, Skip):
            return Buyer(party.code, reason="no_email" if made.reason == "bad_email" else made.reason)
        if made.is_prohibited:
            return Buyer(party.code, hash=made.hash, reason="mailing_prohibited")
        return Buyer(party.code, compiled.customer(party.code, made.email, party.values), made.hash)

    async def _judged(self, buyers: dict[str, Buyer]) -> dict[str, Buyer]:
        """The same, with those left out who were erased, or whom the audience knows as archived or forgotten."""
        reachable = {code: buyer for code, buyer in buyers.items() if buyer.customer is not None}
        if not reachable:
            return buyers
        await self._opened.mirror.refresh()
        run = self._opened.run
        digests = {code: run.keys.digest(_email(buyer).lower().encode()) for code, buyer in reachable.items()}
        hashes = [buyer.hash for buyer in reachable.values() if buyer.hash is not None]
        async with run.database.transaction(run.tenant_id) as connection:
            erased = await suppression.among(connection, run.tenant_id, list(digests.values()))
            statuses = await audiences.statuses_of(connection, run.tenant_id, run.audience_id, hashes)
        for code, buyer in reachable.items():
            status = statuses.get(buyer.hash or b"")
            reason = "forgotten" if digests[code] in erased else CLOSED.get(status or "")
            buyers[code] = msgspec.structs.replace(buyer, reason=reason, is_new=status is None)
        return buyers


def _email(buyer: Buyer) -> str:
    return buyer.customer.email if buyer.customer is not None else ""
