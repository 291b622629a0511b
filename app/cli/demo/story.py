"""The story, act by act. Each act does what people do, then claims what must be true now."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from app.cli.demo.cast import choose
from app.cli.demo.closing import audit
from app.cli.demo.comparing import compare
from app.cli.demo.listening import listen
from app.cli.demo.living import change, leave, rest
from app.cli.demo.loading import load_customers, load_suppliers, open_house
from app.cli.demo.refusing import refuse_and_heal
from app.cli.demo.scene import Scene
from app.cli.demo.selling import sell
from app.cli.demo.showing import Stage
from app.cli.demo.world import World


class Act(NamedTuple):
    """One act, with the line that says what is being shown."""

    title: str
    what: str
    play: Callable[[Scene], Awaitable[None]]


ACTS = (
    Act("Customers", "Everything Sage X3 has, into an empty audience.", load_customers),
    Act(
        "Suppliers",
        "Into the same audience, told apart by KIND and tags; whoever is both is one member.",
        load_suppliers,
    ),
    Act("Somebody leaves", "A customer unsubscribes at Mailchimp, and nobody tells us.", leave),
    Act("A day in Sage X3", "Six records change; a run carries these, and no others.", change),
    Act("Nothing happens", "Runs with nothing to do, over the changes and over everything, write nothing.", rest),
    Act("One is refused", "Mailchimp refuses a record: it waits, is corrected in Sage X3, heals.", refuse_and_heal),
    Act("Mailchimp tells us", "A webhook, and somebody who unsubscribes: known at once, without a run.", listen),
    Act("Invoices", "Those of one company become orders of a store, less what credit memos took back.", sell),
    Act(
        "Both sides compared",
        "A member is edited by hand, a supplier deleted in Sage X3; whole comparisons find and mend both.",
        compare,
    ),
    Act("The books", "Consent, contents and audit after all of it.", audit),
)


async def tell(stage: Stage, world: World) -> Scene:
    """All acts in order; what they claimed is in the scene's `claims`.

    Raises:
        StoryBroken: something did not work at all, so that there is nothing to count.
    """
    with stage.act("Connect", "A tenant with its own key and two connections, each tried before it is used."):
        scene = Scene(stage, world, await open_house(stage, world), await choose(world.x3))
    for act in ACTS:
        scene.act = act.title
        with stage.act(act.title, act.what):
            await act.play(scene)
    return scene
