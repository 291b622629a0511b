"""Who plays in the story: ordinary companies picked from the export, so that each change has one known effect."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from app.cli.demo.broken import StoryBroken
from app.cli.demo.counting import SageX3
from app.cli.demo.expecting import Row, address_of, is_prohibited


class Cast(NamedTuple):
    """Rows of the export as they were before the story changes them; the newcomer's are not there yet."""

    leaver: Row  # unsubscribes before anybody tells us
    clicker: Row  # unsubscribes once Mailchimp tells us
    renamed: Row
    moved: Row  # gets another address
    retired: Row  # becomes inactive
    renamed_supplier: Row
    deleted_supplier: Row  # for good, when the day is over

    @property
    def written(self) -> tuple[Row, ...]:
        """Those whose change of the day must reach Mailchimp."""
        return self[2:6]


NEWCOMER: dict[str, Any] = {
    "code": "DEMO-NEW",
    "name": "ATELIER NOUVEAU",
    "city": "LYON",
    "emails": ["hello@atelier-nouveau.test"],
}
REFUSED: dict[str, Any] = {
    "code": "DEMO-BAD",
    "name": "NO SUCH DOMAIN",
    "city": "PARIS",
    "emails": ["sales@example.com"],
}
"""Mailchimp refuses addresses of this domain: they look fake."""
HEALED: dict[str, Any] = {"code": "DEMO-BAD", "emails": ["sales@such-a-domain.test"]}


async def choose(x3: SageX3) -> Cast:
    """The first who fit, in key order.

    Raises:
        StoryBroken: the example folder is too small.
    """
    customers, suppliers = await x3.export("customers"), await x3.export("suppliers")
    taken = Counter(address_of(row) for row in (*customers, *suppliers))
    found = [*islice(_ordinary(customers, taken), 5), *islice(_ordinary(suppliers, taken), 2)]
    if len(found) < len(Cast._fields) or found[-2] in customers:
        raise StoryBroken("The example has too few ordinary companies: give more --customers or --suppliers.")
    return Cast(*found)


def _ordinary(rows: Iterable[Row], taken: Mapping[str | None, int]) -> Iterator[Row]:
    """Active, in one role, with a contact, and a plain address of the company's own that it may be mailed at."""
    for row in rows:
        email = address_of(row)
        if email is None or taken[email] > 1 or is_prohibited(row, email):
            continue
        slots = next(place["emails"] for place in row["addresses"] if place["code"] == row["default_address"])
        one_role = row["is_customer"] != row["is_supplier"]
        if row["is_active"] and one_role and slots[0] == email and row["default_contact"]:
            yield row
