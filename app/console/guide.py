"""How far a guided set-up has got: everything it knows stands in the page's address, so that it can be left and
come back to."""

from collections.abc import Mapping
from typing import NamedTuple

from app.console.desk import Desk

STEPS = (
    ("x3", "Connect Sage X3"),
    ("mailchimp", "Connect Mailchimp"),
    ("audience", "Choose the audience"),
    ("mapping", "Map the fields"),
    ("rules", "Set the rules"),
    ("try", "Dry run"),
    ("schedule", "Schedule and first run"),
)


class Guide(NamedTuple):
    """Ids of what was chosen or made so far, empty when not yet."""

    x3: str = ""
    mailchimp: str = ""
    stream: str = ""
    audience: str = ""
    store: str = ""
    mapping: str = ""
    sync: str = ""
    run: str = ""

    def step(self) -> str:
        """The first step that lacks something."""
        missing = (
            ("x3", self.x3),
            ("mailchimp", self.mailchimp),
            ("audience", self.audience and self.stream),
            ("mapping", self.mapping),
            ("rules", self.sync),
            ("try", self.run),
        )
        return next((name for name, value in missing if not value), "schedule")

    def known(self) -> Mapping[str, str]:
        """What an address has to say."""
        return {name: value for name, value in self._asdict().items() if value}

    def done(self) -> list[str]:
        """The steps that are behind."""
        names = [name for name, _ in STEPS]
        return names[: names.index(self.step())]


def guide_of(desk: Desk) -> Guide:
    """As the page's address says; what is no id of ours or Mailchimp's is dropped."""
    values = {name: desk.asked(name) for name in Guide._fields}
    return Guide(
        **{n: v if v.replace("-", "").replace("_", "").isalnum() and len(v) < 60 else "" for n, v in values.items()}
    )
