"""What a brake counts of a run's decisions."""

from collections.abc import Iterable

import msgspec

from app.domain.planning import LEFT, Action, Decision


class Would(msgspec.Struct):
    """Members a run would make, and active ones it would mark, archive or take down."""

    create: int = 0
    deactivate: int = 0

    def add(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            self.create += decision.action is Action.INSERT
            self.deactivate += turns_inactive(decision)


def turns_inactive(decision: Decision) -> bool:
    """Whether a member we carry as active would be marked, archived or taken down."""
    known = decision.known
    return known.state == "synced" and known.is_active and (not decision.is_active or decision.reason in LEFT)
