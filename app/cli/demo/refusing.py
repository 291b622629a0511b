"""The act of the record that Mailchimp refuses: a dead letter with a reason, corrected where it is wrong, healed."""

from app.cli.demo.cast import HEALED, REFUSED
from app.cli.demo.running import run, told
from app.cli.demo.scene import Scene


async def refuse_and_heal(scene: Scene) -> None:
    """Two delta runs: before and after somebody corrects the record in Sage X3."""
    before, waiting = await scene.audience(), await scene.waiting()
    await scene.world.x3.change("customers", REFUSED)
    scene.say(told(await run(scene.stage, scene.house, "customers")))
    code = REFUSED["code"]
    scene.claim("dead letters, with the one refused", waiting | {code}, await scene.waiting())
    scene.claim("members disturbed by it", set(), (await scene.audience()).changed_since(before))
    for letter in await scene.house.find("dead-letters", state="open"):
        if letter["code"] == code:
            scene.say(f"{code} waits: {letter['message']} ({letter['reason']})")
    await scene.world.x3.change("customers", HEALED)
    scene.say(f"{code} has another e-mail address.")
    scene.say(told(await run(scene.stage, scene.house, "customers")))
    scene.claim("dead letters once it is corrected", waiting, await scene.waiting())
    scene.claim("members that came of it", set(HEALED["emails"]), (await scene.audience()).changed_since(before))
