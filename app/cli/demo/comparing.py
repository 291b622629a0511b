"""The act of two sides compared whole: what somebody typed by hand, and what Sage X3 has no longer."""

from app.cli.demo.expecting import address_of
from app.cli.demo.running import run, told
from app.cli.demo.scene import Scene
from app.cli.demo.setting_up import SUPPLIER_TAG

BY_HAND = "TYPED BY HAND"


async def compare(scene: Scene) -> None:
    """Two reconcile runs of the suppliers: an absence counts when two whole readings in a row confirm it."""
    edited, gone = address_of(scene.cast.renamed_supplier) or "", address_of(scene.cast.deleted_supplier) or ""
    await scene.world.mailchimp.edit(scene.house.list_id, edited, {"COMPANY": BY_HAND})
    scene.say(f"{edited} is called {BY_HAND!r} at Mailchimp now.")
    await scene.world.x3.delete("suppliers", scene.cast.deleted_supplier["code"])
    scene.say(f"{scene.cast.deleted_supplier['code']} is deleted in Sage X3, without a trace.")
    before = await scene.audience()
    first = await run(scene.stage, scene.house, "suppliers", "reconcile")
    scene.say(told(first))
    truth, between = await scene.truth(), await scene.audience()
    scene.claim("found changed at Mailchimp", 1, first["drift"]["changed_in_mailchimp"])
    scene.claim("… and written again", {edited}, between.changed_since(before))
    scene.claim(
        "… is called what Sage X3 says", truth.row_of(edited)["name"], between.members[edited].fields["COMPANY"]
    )
    second = await run(scene.stage, scene.house, "suppliers", "reconcile")
    scene.say(told(second))
    after = await scene.audience()
    scene.gone.add(gone)
    deleted = [done["drift"]["x3_deleted"] for done in (first, second)]
    scene.claim("found deleted in Sage X3, by the first run and by the second", [0, 1], deleted)
    scene.claim("members that changed of it", {gone}, after.changed_since(between))
    scene.claim(f"… tagged {SUPPLIER_TAG}", truth.suppliers.inactive | {gone}, after.tagged(SUPPLIER_TAG))
