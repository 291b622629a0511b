"""Customers of a store, beside the members of its audience: for a sync of customers that names a store.

Whoever became or stayed a member is put as a customer, after the member and before the page is remembered. People the
audience is closed to, who are prohibited, filtered out, forgotten or taken out are left alone: a store customer would
tell Mailchimp of them.
"""

import asyncio
from collections.abc import Iterable
from uuid import UUID

from app.domain.consent import is_opted_out
from app.domain.party import Party
from app.domain.planning import ARCHIVED_BY_US, UNSUBSCRIBED_BY_US, Action, Decision, Outcome
from app.domain.store_customers import Build
from app.sync import store_syncing
from app.sync.opened import OpenRun
from app.sync.order_ports import Shop
from app.sync.pages import Page
from app.sync.store_shelf import CUSTOMER, Shelf, Wanted, customer

CARRIED = (Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED)
TAKEN_OUT = (Action.ARCHIVE, Action.UNSUBSCRIBE, Action.FLAG)
WARNING = "STORE"  # stands where warnings name a merge field


class StoreKeeper:
    """Keeps one store's customers true for one run; satisfies opened.Keeper."""

    def __init__(self, run: OpenRun, shop: Shop, store: UUID, build: Build) -> None:
        self._run = run
        self._shop = shop
        self._store = store
        self._build = build
        self._shelf = Shelf(run, store, asyncio.Semaphore(run.pace.senders))
        self._announced = False

    async def keep(self, page: Page) -> None:
        """Put the customers of a page; a refusal becomes a warning of the record and is tried again next time."""
        chosen = {} if self._run.dry else people(page.decisions)
        parties = {party.code: party for party in page.source.parties if party.code in chosen}
        wanted = {code: self._wanted(party, chosen[code]) for code, party in parties.items()}
        missing = await self._shelf.missing(CUSTOMER, wanted) if wanted else []
        if not missing:
            return
        await self._announce()
        for code, refusal in (await self._shelf.put(CUSTOMER, missing)).items():
            chosen[code].warnings.append((WARNING, refusal.message))

    def _wanted(self, party: Party, decision: Decision) -> Wanted:
        email = decision.member.email if decision.member is not None else ""
        return customer(self._shop, self._build(party.code, email, party.values))

    async def _announce(self) -> None:
        """While everything is read anew Mailchimp shall start no automation."""
        row = self._run.row
        if not self._announced and row["lower_bound"] is None and row["codes"] is None:
            await store_syncing.begin(self._run, self._store, self._shop)
        self._announced = True


def people(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """One decision per party whose address the audience has and is open, the party's own before its contacts'."""
    chosen: dict[str, Decision] = {}
    for decision in decisions:
        if may_be_told(decision) and (decision.code not in chosen or decision.key == decision.code):
            chosen[decision.code] = decision
    return chosen


def may_be_told(decision: Decision) -> bool:
    """Whether the store may know this person: a member, or one whose address another record carries as one."""
    if decision.member is None or decision.action in TAKEN_OUT:
        return False
    if decision.flags & (ARCHIVED_BY_US | UNSUBSCRIBED_BY_US):
        return False
    if decision.reason == "duplicate_email":
        return decision.known.status is not None and not is_opted_out(decision.known.status)
    return decision.outcome in CARRIED
