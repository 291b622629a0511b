"""What may happen between two runs, drawn by lot: people who work in X3, people who get mail."""

import random
from collections.abc import Callable
from typing import Any

from tests.e2e.world import Carrier, World

PERSONS = ("unsubscribe", "admin-unsubscribe", "clean", "archive", "subscribe", "forget")
X3CODE = {"target": "X3CODE", "source": "code"}
FIELDS = (
    [{"target": "COMPANY", "source": "name"}, X3CODE],
    [
        {"target": "COMPANY", "source": "name", "transforms": ["upper"]},
        {"target": "CITY", "source": "default_address.city"},
        X3CODE,
    ],
)


class Chance:
    """A small X3 that changes all the time. The same seed is the same history."""

    def __init__(self, seed: int, world: World, customers: Carrier) -> None:
        self.draw = random.Random(seed)  # a history, no secret
        self.world, self.customers = world, customers
        self.codes: list[str] = []
        self.told: list[str] = []  # for whoever reads a failing history
        self._numbers = iter(range(10**6))

    async def begin(self, count: int) -> None:
        for _ in range(count):
            await self.create()

    async def happen(self) -> None:
        """One thing, anywhere."""
        things: tuple[tuple[int, Callable[[], Any]], ...] = (
            (3, self.create), (4, self.edit), (4, self.move), (3, self.join), (4, self.swap), (2, self.blank),
            (3, self.retire), (2, self.prohibit), (2, self.contact), (1, self.delete), (2, self.filter),
            (7, self.person), (1, self.remap),
        )  # fmt: skip
        weights = [weight for weight, _ in things]
        await self.draw.choices([thing for _, thing in things], weights)[0]()

    # -- in X3 --------------------------------------------------------------------------------------------------

    def _code(self) -> str:
        return self.draw.choice(self.codes)

    def _address(self) -> str:
        return f"p{next(self._numbers)}@acme.test"

    async def _put(self, *parties: dict[str, Any]) -> None:
        self.told += [f"X3: {party}" for party in parties]
        await self.world.sandbox.put(*parties)

    async def _addresses(self) -> dict[str, str]:
        rows = await self.world.sandbox.export()
        return {row["code"]: email for row in rows for email in row["addresses"][0]["emails"][:1] if "@" in email}

    async def create(self) -> None:
        code = f"C{self.draw.randrange(10**4):04d}"
        if code not in self.codes:
            self.codes.append(code)
            await self._put({"code": code, "emails": [self._address()], "name": f"N{next(self._numbers)}"})

    async def edit(self) -> None:
        what = self.draw.choice(("name", "city"))
        await self._put({"code": self._code(), what: f"T{next(self._numbers)}"})

    async def move(self) -> None:
        await self._put({"code": self._code(), "emails": [self._address()]})

    async def join(self) -> None:
        there = await self._addresses()
        if there:
            await self._put({"code": self._code(), "emails": [self.draw.choice(sorted(there.values()))]})

    async def swap(self) -> None:
        """Two, three or four exchange their addresses in a ring."""
        there = await self._addresses()
        ring = self.draw.sample(sorted(there), min(len(there), self.draw.choice((2, 2, 3, 4))))
        turned = [*ring[1:], *ring[:1]]
        await self._put(*({"code": code, "emails": [there[other]]} for code, other in zip(ring, turned, strict=True)))

    async def blank(self) -> None:
        await self._put({"code": self._code(), "emails": [self.draw.choice((" ", "no address", "x@"))]})

    async def retire(self) -> None:
        await self._put({"code": self._code(), "is_active": self.draw.random() < 0.5})

    async def prohibit(self) -> None:
        await self._put({"code": self._code(), "is_prohibited": self.draw.random() < 0.5})

    async def contact(self) -> None:
        there = sorted((await self._addresses()).values())
        shared = bool(there) and self.draw.random() < 0.3
        email = self.draw.choice(there) if shared else self._address()
        await self._put(
            {"code": self._code(), "contact_email": email, "contact_is_prohibited": self.draw.random() < 0.1}
        )

    async def filter(self) -> None:
        await self._put({"code": self._code(), "category": self.draw.choice(("DOM", "EXP"))})

    async def delete(self) -> None:
        """Without a trace; only a reconcile run will ever notice."""
        if len(self.codes) > 5:
            code = self.codes.pop(self.draw.randrange(len(self.codes)))
            self.told.append(f"X3: {code} is deleted")
            await self.world.x3.call("DELETE", "customers", code=code)

    # -- elsewhere ----------------------------------------------------------------------------------------------

    async def person(self) -> None:
        members = await self.customers.snapshot()
        if not members:
            return
        what, email = self.draw.choices(PERSONS, (4, 2, 2, 2, 2, 1))[0], self.draw.choice(sorted(members))
        if what == "subscribe" and members[email]["status"] == "cleaned":
            return
        self.told.append(f"Mailchimp: {what} {email}, who was {members[email]['status']}")
        await self.world.person(what, email)

    async def remap(self) -> None:
        mode = self.draw.choice(("per_party", "per_contact"))
        self.told.append(f"mapping: {mode}")
        await self.customers.remap(email={"mode": mode}, fields=self.draw.choice(FIELDS))
