"""The acts of an ordinary day: somebody leaves, records change, nothing happens."""

from collections.abc import Mapping
from typing import Any

from app.cli.demo.cast import NEWCOMER, Cast
from app.cli.demo.expecting import address_of
from app.cli.demo.running import run, told
from app.cli.demo.scene import Scene
from app.cli.demo.setting_up import INACTIVE_TAG

NEW_ADDRESS = "new.address@moved.test"


async def leave(scene: Scene) -> None:
    """A member unsubscribes, and we are not told."""
    await scene.unsubscribe(scene.cast.leaver)


async def change(scene: Scene) -> None:
    """Changes of every kind, and a delta run of both syncs."""
    cast, before = scene.cast, await scene.audience()
    for stream, patch, what in _changes(cast):
        await scene.world.x3.change(stream, patch)
        scene.say(f"{patch['code']:<9} {what}")
    runs = [await run(scene.stage, scene.house, stream) for stream in ("customers", "suppliers")]
    for done in runs:
        scene.say(told(done))
    truth, after = await scene.truth(), await scene.audience()
    touched = {*NEWCOMER["emails"], NEW_ADDRESS, *(address_of(row) for row in cast.written)}
    scene.claim("addresses that came, went or changed", touched, after.changed_since(before))
    scene.claim("… by one write for each record", len(cast.written) + 1, after.writes - before.writes)
    scene.claim("members now", truth.everybody, after.members.keys())
    scene.claim(f"… tagged {INACTIVE_TAG}", truth.customers.inactive, after.tagged(INACTIVE_TAG))
    scene.claim("changes not sent to the person who left", 1, runs[0]["skipped_by_reason"]["opted_out"])
    scene.claim("the person who left is", "unsubscribed", after.members[scene.leaver].status)


def _changes(cast: Cast) -> list[tuple[str, Mapping[str, Any], str]]:
    """(stream, patch, what happens) of each change."""
    return [
        ("customers", NEWCOMER, "is new"),
        ("customers", {"code": cast.renamed["code"], "name": "RENAMED & SONS"}, "has another name"),
        ("customers", {"code": cast.moved["code"], "emails": [NEW_ADDRESS]}, "has another e-mail address"),
        ("customers", {"code": cast.retired["code"], "is_active": False}, "becomes inactive"),
        ("customers", {"code": cast.leaver["code"], "name": "WE STILL EXIST"}, "(whose person left) has another name"),
        ("suppliers", {"code": cast.renamed_supplier["code"], "name": "SUPPLIES & SONS"}, "(a supplier) as well"),
    ]


async def rest(scene: Scene) -> None:
    """Delta runs and full runs with nothing to do."""
    before, calls = await scene.audience(), await scene.world.mailchimp.write_calls()
    truth, read, whole = await scene.truth(), 0, 0
    for mode in ("delta", "full"):
        for stream in ("customers", "suppliers"):
            done = await run(scene.stage, scene.house, stream, mode)
            read += done["counts"]["read"]
            whole += done["counts"]["read"] if mode == "full" else 0
    scene.say(f"{read:,} records read and compared.")
    scene.claim("records compared by the full runs", truth.customers.rows + truth.suppliers.rows, whole)
    scene.claim("calls to Mailchimp other than reading", 0, await scene.world.mailchimp.write_calls() - calls)
    scene.claim("members that changed", set(), (await scene.audience()).changed_since(before))
