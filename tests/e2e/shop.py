"""A store at the stand-in Mailchimp, a sync of invoices into it, and the oracle that says what it must hold."""

import asyncio
from typing import Any

from tests.e2e.oracle.orders import Expected, expect_store, standing
from tests.e2e.sandboxes import Row
from tests.e2e.world import Carrier, World, assert_balanced

COMPANY = "FR10"


class Shop:
    """One store of one currency in the world's first audience. `carrier` starts and follows runs; what they did is
    checked here, for the store knows no members."""

    def __init__(self, world: World, store_id: str, currency: str) -> None:
        self.world = world
        self.store_id = store_id
        self.currency = currency
        self.carrier: Carrier

    async def open(self, **terms: Any) -> "Shop":
        """Make the store as a shop would, and the sync through our API."""
        world, at = self.world, self.world.sandbox.at_mailchimp
        list_id = world.sandbox.lists[0]
        store = {"id": self.store_id, "list_id": list_id, "name": "X3", "currency_code": self.currency}
        answer = await world.sandbox.http.post(
            f"{at['base_url']}/ecommerce/stores", json=store, auth=("x", at["api_key"])
        )
        assert answer.status_code == 200, answer.text
        target = {"audience_id": list_id, "store_id": self.store_id}
        filter_ = {"field": "company", "in": [COMPANY]}
        self.carrier = await world.sync("invoices", target=target, **{"filter": filter_, **terms})
        world.carriers.remove(self.carrier)  # it carries no members
        return self

    async def store(self) -> Row:
        found: Row = await self.world.mailchimp.call("GET", "store", id=self.store_id)
        return found

    async def is_syncing(self) -> bool:
        return bool((await self.store())["values"]["is_syncing"])

    async def quiet(self, seconds: float = 20) -> None:
        """Until the store is told that its back-fill is over."""
        for _ in range(int(seconds / 0.1)):
            if not await self.is_syncing():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"still is_syncing\n{self.world.plant.logs()}")

    async def expected(self) -> Expected:
        sandbox = self.world.sandbox
        return expect_store(
            await sandbox.export("invoices"), await sandbox.export("customers"), {COMPANY}, self.currency
        )

    async def run(self, mode: str = "delta", **body: Any) -> Row:
        """Carry a run to its end; the store must then be what X3 says."""
        return await self.check(await self.carrier.ended((await self.carrier.start(mode, **body))["id"]))

    async def check(self, run: Row) -> Row:
        assert run["state"] in ("succeeded", "partially_failed"), run
        assert_balanced(run)
        expected, store = await self.expected(), await self.store()
        assert standing(store) == expected.orders
        assert sum(order["total"] for order in standing(store).values()) == expected.revenue
        assert not any(customer["opt_in_status"] for customer in store["customers"].values())
        await self.quiet()
        return run

    async def written(self) -> int:
        """Orders put at Mailchimp so far, repetitions included."""
        requests = (await self.world.mailchimp.stats())["requests"]
        return int(requests.get("putEcommerceStoresIdOrdersId", 0))
