"""The act of the invoices: orders of a store, with products and customers, each worth what X3 says."""

import httpx

from app.cli.demo.broken import StoryBroken
from app.cli.demo.expecting_orders import expect_orders
from app.cli.demo.running import run, told
from app.cli.demo.scene import Scene

STORE, COMPANY, CURRENCY = "demo-shop", "FR10", "EUR"


async def sell(scene: Scene) -> None:
    """A full run over the invoices of one company, and a delta run with nothing to do."""
    await _open_store(scene)
    await scene.house.add_sync(
        {"name": "invoices", "stream": "invoices"},
        {"store_id": STORE},
        filter={"field": "company", "in": [COMPANY]},
    )
    x3, before = scene.world.x3, await scene.audience()
    scene.say(told(await run(scene.stage, scene.house, "invoices", "full")))
    documents, customers = await x3.export("invoices"), await x3.export("customers")
    expected = expect_orders(documents, customers, COMPANY, CURRENCY)
    store = await scene.world.mailchimp.store(STORE)
    worth = {(number, round(order["order_total"] * 100)) for number, order in store["orders"].items()}
    products = {line["product"] for row in expected.values() for line in row["lines"]}
    scene.claim("orders, each with its total", {(number, row["cents"]) for number, row in expected.items()}, worth)
    scene.claim("customers of the store", {row["customer"] for row in expected.values()}, store["customers"].keys())
    scene.claim("products of the store", products, store["products"].keys())
    scene.claim("members that changed by it", set(), (await scene.audience()).changed_since(before))
    calls = await scene.world.mailchimp.write_calls()
    await run(scene.stage, scene.house, "invoices")
    scene.claim("calls to write when run once more", 0, await scene.world.mailchimp.write_calls() - calls)


async def _open_store(scene: Scene) -> None:
    """A shop connects its store to the audience, as shops do: by Mailchimp's own API."""
    given = scene.world.vendors["mailchimp"]
    store = {"id": STORE, "list_id": scene.house.list_id, "name": "Demo shop", "currency_code": CURRENCY}
    async with httpx.AsyncClient(trust_env=False, auth=("demo", given["api_key"])) as client:
        answer = await client.post(f"{given['base_url']}/ecommerce/stores", json=store)
    if not answer.is_success:
        raise StoryBroken(f"The stand-in refuses to open a store: {answer.text[:300]}")
