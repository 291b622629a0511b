"""What every act is given, and the truth it measures against."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.cli.demo.cast import Cast
from app.cli.demo.claims import Claim
from app.cli.demo.counting import Audience
from app.cli.demo.expecting import Expected, Row, address_of, contents, expect
from app.cli.demo.setting_up import House
from app.cli.demo.showing import Stage
from app.cli.demo.world import World


class Truth(NamedTuple):
    """What Sage X3 holds at one moment, and what must follow from it."""

    customers: Expected
    suppliers: Expected

    @property
    def everybody(self) -> frozenset[str]:
        return frozenset(self.customers.members.keys() | self.suppliers.members.keys())

    @property
    def both(self) -> frozenset[str]:
        """Addresses that a customer and a supplier share: one member, written by two syncs."""
        return frozenset(self.customers.members.keys() & self.suppliers.members.keys())

    @property
    def refused(self) -> frozenset[str]:
        return self.customers.refused | self.suppliers.refused

    @property
    def exported(self) -> frozenset[str]:
        """Addresses outside France, of those in one role."""
        return frozenset(email for email in self.everybody - self.both if self.row_of(email)["country"] != "FR")

    def row_of(self, email: str) -> Row:
        """The record behind an address in one role."""
        return self.customers.members.get(email) or self.suppliers.members[email]


@dataclass
class Scene:
    """The stage, the world, the tenant, what has been claimed so far, the present act, who unsubscribed, and whose
    record Sage X3 has no longer."""

    stage: Stage
    world: World
    house: House
    cast: Cast
    claims: list[Claim] = field(default_factory=list)
    act: str = ""
    left: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def claim(self, text: str, expected: Any, found: Any) -> None:
        self.claims.append(Claim(self.act, text, expected, found))

    def say(self, sentence: str) -> None:
        self.stage.say(sentence)

    @property
    def leaver(self) -> str:
        """Whose record changes in Sage X3 although they have unsubscribed."""
        return address_of(self.cast.leaver) or ""

    async def unsubscribe(self, row: Row) -> str:
        """A member unsubscribes, where members do that; their address."""
        email = address_of(row) or ""
        await self.world.mailchimp.leave(self.house.list_id, email)
        self.left.add(email)
        self.say(f"{email} ({row['name']}) has unsubscribed.")
        return email

    async def truth(self) -> Truth:
        """Sage X3 as it is now."""
        x3 = self.world.x3
        return Truth(expect(await x3.export("customers")), expect(await x3.export("suppliers")))

    async def audience(self) -> Audience:
        """Mailchimp as it is now."""
        return await self.world.mailchimp.audience(self.house.list_id)

    async def waiting(self) -> frozenset[str]:
        """Codes of the records that wait as dead letters, as the API lists them."""
        return frozenset([letter["code"] for letter in await self.house.find("dead-letters", state="open")])


def faithful(audience: Audience, truth: Truth) -> frozenset[str]:
    """Addresses in one role whose member says what Sage X3 says: company, city, person, code."""
    return frozenset(
        email
        for email in truth.everybody - truth.both
        if (member := audience.members.get(email)) is not None
        and all((member.fields.get(tag) or "") == text for tag, text in contents(truth.row_of(email)).items())
    )
