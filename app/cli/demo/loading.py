"""The first acts: connect, then carry everything there is."""

from app.cli.demo.running import balances, run, told
from app.cli.demo.scene import Scene, faithful
from app.cli.demo.setting_up import EXPORT_TAG, INACTIVE_TAG, SUPPLIER_TAG, House, connect, furnish, make_tenant
from app.cli.demo.showing import Stage
from app.cli.demo.world import World


async def open_house(stage: Stage, world: World) -> House:
    """A tenant with both connections, verified, and a sync for each stream."""
    api, path = await make_tenant(world)
    connections = await connect(api, path, world)
    for connection in connections.values():
        passed = sum(check["ok"] for check in connection["checks"])
        stage.say(f"{connection['name']} answers; {passed} of {len(connection['checks'])} checks passed.")
    return await furnish(api, path, world, connections)


async def load_customers(scene: Scene) -> None:
    """A full run over all customers."""
    done = await run(scene.stage, scene.house, "customers", "full")
    scene.say(told(done))
    truth, audience, skipped = (await scene.truth()).customers, await scene.audience(), done["skipped_by_reason"]
    scene.claim("read from Sage X3", truth.rows, done["counts"]["read"])
    scene.claim("members they became", truth.members.keys(), audience.members.keys())
    scene.claim("without an address: left out", len(truth.silent), skipped["no_email"])
    scene.claim("not to be mailed: left out", len(truth.prohibited), skipped["mailing_prohibited"])
    scene.claim("with an address another one owns: left out", len(truth.duplicates), skipped["duplicate_email"])
    scene.claim("with a broken address: dead letters", truth.refused, await scene.waiting())
    scene.claim("every one accounted for", True, balances(done))


async def load_suppliers(scene: Scene) -> None:
    """A full run over all suppliers, into the customers' audience."""
    done = await run(scene.stage, scene.house, "suppliers", "full")
    scene.say(told(done))
    truth, audience = await scene.truth(), await scene.audience()
    tagged_twice = audience.tagged("x3-customer") & audience.tagged("x3-supplier")
    scene.claim("read from Sage X3", truth.suppliers.rows, done["counts"]["read"])
    scene.claim("members of both streams", truth.everybody, audience.members.keys())
    scene.claim("flagged KIND = supplier", truth.suppliers.members.keys(), audience.of_kind("supplier"))
    scene.claim("flagged KIND = customer", truth.customers.members.keys() - truth.both, audience.of_kind("customer"))
    scene.claim("customer and supplier: one member, both tags", truth.both, tagged_twice)
    scene.claim(f"tagged {EXPORT_TAG}", truth.exported, audience.tagged(EXPORT_TAG) - truth.both)
    scene.claim(f"tagged {INACTIVE_TAG}", truth.customers.inactive, audience.tagged(INACTIVE_TAG))
    scene.claim(f"tagged {SUPPLIER_TAG}", truth.suppliers.inactive, audience.tagged(SUPPLIER_TAG))
    scene.claim("saying what Sage X3 says", truth.everybody - truth.both, faithful(audience, truth))
