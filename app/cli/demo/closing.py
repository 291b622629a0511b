"""The last act: what must be true after everything that happened."""

from app.cli.demo.scene import Scene, faithful


async def audit(scene: Scene) -> None:
    """Consent by Mailchimp's own ledger, contents against Sage X3, the audit trail by its hashes."""
    truth, audience = await scene.truth(), await scene.audience()
    trail = await scene.house.api.get(f"{scene.house.path}/audit/verify")
    scene.say(f"{trail['events']:,} audit events, chained up to {trail['head'][:16]}…")
    others = truth.everybody - truth.both - {scene.leaver}
    scene.claim("members", truth.everybody | scene.gone, audience.members.keys())
    scene.claim("… saying what Sage X3 says", others, faithful(audience, truth) - {scene.leaver})
    scene.claim("… unsubscribed: who left, and nobody else", scene.left, audience.with_status("unsubscribed"))
    scene.claim("statuses ever raised by the product", 0, await scene.world.mailchimp.upward_moves())
    scene.claim("the audit chain verifies", True, trail["ok"])
