"""From an empty folder to the verdict: start the world, tell the story, show the summary."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from app.cli.demo.claims import verdict
from app.cli.demo.ending import Ending
from app.cli.demo.scene import Scene
from app.cli.demo.showing import Stage
from app.cli.demo.story import tell
from app.cli.demo.world import new_world
from app.cli.kept import OPERATOR_KEY_FILE
from app.cli.output import FAILED, console
from app.cli.supervising import RunningSystem

START = "PostgreSQL, Valkey, API, worker; {customers:,} customers, {suppliers:,} suppliers, {invoices:,} invoices."


async def perform(folder: Path, ending: Ending, *, keep: bool, customers: int, suppliers: int, invoices: int) -> None:
    """Everything, and with `keep` on until somebody stops it.

    Raises:
        StoryBroken: it could not be told to its end.
    """
    stage = Stage(console)
    sizes = {"customers": customers, "suppliers": suppliers, "invoices": invoices}
    async with AsyncExitStack() as stack:
        with stage.act("Start", START.format(**sizes)), stage.waiting("starting"):
            world = await stack.enter_async_context(new_world(folder, **sizes))
        scene = await _while_it_runs(world.system, tell(stage, world))
        stage.summary(scene.claims)
        false = verdict(scene.claims)
        stage.conclude(false or f"All {len(scene.claims)} claims are true.", good=false is None)
        ending.code = FAILED if false else 0
        if keep:
            show_the_way(stage, scene, folder)
            await world.system.wait()


async def _while_it_runs(system: RunningSystem, work: Coroutine[Any, Any, Scene]) -> Scene:
    """The result of `work`, or what made it impossible to keep the system running."""
    telling, failing = asyncio.create_task(work), asyncio.create_task(system.wait())
    try:
        await asyncio.wait({telling, failing}, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            failing.result()
        return await telling
    finally:
        for task in (telling, failing):
            task.cancel()
        await asyncio.gather(telling, failing, return_exceptions=True)


def show_the_way(stage: Stage, scene: Scene, folder: Path) -> None:
    """Where to go on with everything that runs."""
    world, house = scene.world, scene.house
    tenant, sync = house.path.rpartition("/")[2], house.syncs["customers"]
    x3, mailchimp = world.vendors["x3"]["url"], world.vendors["mailchimp"]["url"]
    for sentence in (
        f"The API answers at {world.system.api_url} (described by openapi.json). Ctrl-C stops everything.",
        f"The console is at {world.system.api_url}/console/ and takes the operator key.",
        f"The operator key is in {world.system.data_dir / OPERATOR_KEY_FILE}; logs and data are in {folder}.",
        "Change something in Sage X3, carry it, look at Mailchimp:",
        f"""  curl {x3}/_sandbox/customers -d '{{"code": "C000100", "name": "CHANGED BY HAND"}}'""",
        f"  ml-connector runs start {sync} --tenant {tenant} --wait --url {world.system.api_url} "
        f"--key $(cat {world.system.data_dir / OPERATOR_KEY_FILE})",
        f"  curl '{mailchimp}/_sandbox/members?list={house.list_id}' | grep 'CHANGED BY HAND'",
    ):
        stage.say(sentence)
