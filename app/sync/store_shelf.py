"""Products and customers of one store: each is put when it differs from what the store last acknowledged, and once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from uuid import UUID

import msgspec

from app.connectors.mailchimp.commerce_payloads import MAX_CUSTOMER_ID, customer_body, product_body
from app.db import runs, stores
from app.domain.commerce import Product, StoreCustomer
from app.domain.errors import RecordRejected
from app.domain.member import subscriber_hash
from app.sync.opened import LeaseLost, OpenRun
from app.sync.order_ports import Shop

PRODUCT, CUSTOMER = "product", "customer"
NOTED_TOGETHER = 50
REMEMBERED = 2_000  # puts; what is noted meanwhile is no longer missing


class Wanted(msgspec.Struct, frozen=True):
    """One object as the store should have it."""

    key: str
    print: bytes
    put: Callable[[], Awaitable[None]]
    member_hash: bytes | None = None


def product(shop: Shop, wanted: Product) -> Wanted:
    return Wanted(wanted.id, _print(product_body(wanted)), lambda: shop.put_product(wanted))


def customer(shop: Shop, wanted: StoreCustomer) -> Wanted:
    """Raises RecordRejected when Mailchimp cannot hold the code."""
    if len(wanted.id) > MAX_CUSTOMER_ID:
        raise RecordRejected("code_too_long", f"A store's customer id has at most {MAX_CUSTOMER_ID} characters.")
    hash_ = subscriber_hash(wanted.email)
    return Wanted(wanted.id, _print(customer_body(wanted)), lambda: shop.put_customer(wanted), hash_)


def _print(body: bytes) -> bytes:
    return sha256(body).digest()[:16]


class Shelf:
    """What the pages of a slice have in common: no object is put twice at once, and none that is there already."""

    def __init__(self, run: OpenRun, store: UUID, gate: asyncio.Semaphore) -> None:
        self._run = run
        self._store = store
        self._gate = gate
        self._putting: dict[tuple[str, str], asyncio.Event] = {}
        self._put: OrderedDict[tuple[str, str], bytes] = OrderedDict()  # the latest of this slice

    async def known(self, kind: str, keys: list[str]) -> dict[str, bytes]:
        """Fingerprints of those the store has."""
        run = self._run
        async with run.database.transaction(run.tenant_id) as connection:
            return await stores.known_items(connection, run.tenant_id, self._store, kind, keys)

    async def fill(self, kind: str, wanted: Mapping[str, Wanted], *, anew: bool = False) -> dict[str, RecordRejected]:
        """Put what is missing or different (`anew`: everything); answers the refusals by key."""
        missing = list(wanted.values()) if anew else await self.missing(kind, wanted)
        return await self.put(kind, missing, anew=anew)

    async def missing(self, kind: str, wanted: Mapping[str, Wanted]) -> list[Wanted]:
        """Those the store does not have as they should be."""
        known = await self.known(kind, list(wanted))
        return [each for key, each in wanted.items() if known.get(key) != each.print]

    async def put(self, kind: str, wanted: Sequence[Wanted], *, anew: bool = False) -> dict[str, RecordRejected]:
        """Put these; answers the refusals by key.

        What was acknowledged is noted a few at a time: a run that breaks off later has not to put it again.
        """
        refused: dict[str, RecordRejected] = {}
        for at in range(0, len(wanted), NOTED_TOGETHER):
            some = wanted[at : at + NOTED_TOGETHER]
            async with asyncio.TaskGroup() as puts:
                tasks = [puts.create_task(self._once(kind, each, anew=anew)) for each in some]
            results = [(each, task.result()) for each, task in zip(some, tasks, strict=True)]
            await self._note(kind, [each for each, refusal in results if refusal is None])
            refused |= {each.key: refusal for each, refusal in results if refusal is not None}
        return refused

    async def _once(self, kind: str, wanted: Wanted, *, anew: bool) -> RecordRejected | None:
        """Put it unless another page has just done so."""
        place = (kind, wanted.key)
        while (other := self._putting.get(place)) is not None:
            await other.wait()
        if self._put.get(place) == wanted.print and not anew:
            return None
        done = self._putting[place] = asyncio.Event()
        try:
            async with self._gate:
                await wanted.put()
        except RecordRejected as refusal:
            return refusal
        finally:
            del self._putting[place]
            done.set()
        self._put[place] = wanted.print
        while len(self._put) > REMEMBERED:
            self._put.popitem(last=False)
        return None

    async def _note(self, kind: str, put: list[Wanted]) -> None:
        run = self._run
        items = [stores.Item(each.key, each.print, each.member_hash) for each in put]
        async with run.database.transaction(run.tenant_id) as connection:
            if not await runs.lock(connection, run.tenant_id, run.run_id, run.fence):
                raise LeaseLost
            await stores.note_items(connection, run.tenant_id, self._store, kind, items)
