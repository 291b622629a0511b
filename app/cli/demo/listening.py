"""The act of the webhook: Mailchimp calls, and the person is left alone from that moment on."""

import asyncio
import time

from app.cli.demo.broken import StoryBroken
from app.cli.demo.calling import Object
from app.cli.demo.scene import Scene

PATIENCE_SECONDS = 60.0


async def listen(scene: Scene) -> None:
    """A webhook is registered; a member unsubscribes; what Mailchimp says is kept and acted on."""
    house = scene.house
    hooks = f"{house.path}/connections/{house.connections['mailchimp']}/webhooks"
    await house.api.post(hooks, {"audience_id": house.list_id})
    scene.say("Mailchimp has tried the webhook's secret address, and will call it.")
    email = await scene.unsubscribe(scene.cast.clicker)
    event = await _processed(scene, email)
    (known, *_) = await house.find("consent", email=email)
    scene.say(f"Mailchimp called: {event['type']}. We know: {known['before']} before, {known['status']} now.")
    scene.claim("events we were told of", 1, len(await house.find("webhook-events")))
    scene.claim("the person who left is, before any run", "unsubscribed", known["status"])


async def _processed(scene: Scene, email: str) -> Object:
    """The one event about a person, once it has been acted on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        events = await scene.house.find("webhook-events", email=email)
        if events and events[0]["state"] == "processed":
            return events[0]
        await asyncio.sleep(0.2)
    raise StoryBroken(f"Mailchimp's call about {email} was not acted on within {PATIENCE_SECONDS:.0f} s.")
