"""What every verification of a Sage X3 has in common: checks in turn, each failure put where it belongs, the clock."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.domain.errors import ConnectorError
from app.domain.verification import Check, Verification

_SKEW_SECONDS = 60.0
_SIGNING_IN = ("x3_token_", "x3_unauthorised", "x3_authorization", "x3_forbidden", "x3_application")


class Inquiry(ABC):
    """The checks made so far; `step` names the one under way."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.step = "settings"
        self.checks: list[Check] = []
        self.facts: dict[str, object] = {}

    @abstractmethod
    async def run(self, given: Mapping[str, Any]) -> None:
        """Make the checks; may raise what the vendor raises."""

    async def made(self, given: Mapping[str, Any]) -> Verification:
        """All checks up to the first that leaves nothing to ask. Never raises for the vendor's failures."""
        try:
            await self.run(given)
        except ConnectorError as error:
            self.failed(error)
        except httpx.HTTPError as error:
            self.checks.append(Check(self.step, False, f"No answer: {type(error).__name__}."))
        checks = tuple(self.checks)
        return Verification(bool(checks) and all(check.ok for check in checks), checks, self.facts)

    def passed(self, detail: str) -> None:
        self.checks.append(Check(self.step, True, detail))

    def failed(self, error: ConnectorError) -> None:
        if error.code.startswith(_SIGNING_IN):
            if self.step == "reachability":
                self.passed("Sage X3 answers.")
            self.step = "authentication"
        self.checks.append(Check(self.step, False, error.message))

    def answered(self, started: datetime, told: datetime, *, from_server: bool) -> None:
        """It answered and let us in; `told` is its time, early by at most the round trip and two seconds."""
        self.passed("Sage X3 answers.")
        self.step = "authentication"
        self.passed("Sage X3 accepts the credential.")
        self.step = "clock"
        if not from_server:
            self.facts["clock_skew_seconds"] = None
            self.passed("Sage X3 does not tell its time; ours is used with an allowance.")
            return
        skew = (told - started + timedelta(seconds=1)).total_seconds()
        self.facts["clock_skew_seconds"] = round(skew, 1)
        advice = "" if abs(skew) <= _SKEW_SECONDS else " Set the clocks right: tokens may be refused."
        self.passed(f"The clocks differ by about {abs(skew):.0f} s.{advice}")

    def missing(self, names: list[str]) -> None:
        """Fields that this X3 does not have, `stream.field` each."""
        self.facts["missing_paths"] = names
        vital = [name for name in names if name.endswith((".code", ".is_active")) and name.count(".") == 1]
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        if not names:
            self.passed("Every field is offered.")
        else:
            self.passed(
                f"{len(names)} fields are not offered and will be empty: {shown}." + (" Check these." * bool(vital))
            )


def now() -> datetime:
    return datetime.now(UTC)
