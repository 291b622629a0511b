"""What the two stand-ins themselves hold, by their control endpoints: nothing here passes through the product."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
import msgspec

from app.cli.demo.broken import StoryBroken
from app.cli.demo.expecting import Row


class Member(NamedTuple):
    """A member as Mailchimp keeps it."""

    status: str
    fields: Mapping[str, Any]
    tags: tuple[str, ...]
    writes: int  # how often the API wrote it


class Audience(NamedTuple):
    """All members of a list by lower-case address, at one moment."""

    members: Mapping[str, Member]

    def changed_since(self, before: "Audience") -> frozenset[str]:
        """Addresses that came, went, or hold something else than before."""
        every = {*self.members, *before.members}
        return frozenset(email for email in every if self.members.get(email) != before.members.get(email))

    @property
    def writes(self) -> int:
        """How often the API wrote a member, over all members."""
        return sum(member.writes for member in self.members.values())

    def tagged(self, tag: str) -> frozenset[str]:
        return frozenset(email for email, member in self.members.items() if tag in member.tags)

    def of_kind(self, kind: str) -> frozenset[str]:
        return frozenset(email for email, member in self.members.items() if member.fields.get("KIND") == kind)

    def with_status(self, status: str) -> frozenset[str]:
        return frozenset(email for email, member in self.members.items() if member.status == status)


class StandIn:
    """The control endpoints of one stand-in."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/_sandbox/", trust_env=False, timeout=60)

    async def _ask(self, method: str, path: str, **options: Any) -> bytes:
        answer = await self._http.request(method, path, **options)
        if not answer.is_success:
            raise StoryBroken(f"The stand-in answered {path} with {answer.status_code}: {answer.text[:300]}")
        return answer.content

    async def close(self) -> None:
        await self._http.aclose()


class SageX3(StandIn):
    """The stand-in for Sage X3: its present truth, and people who change it."""

    async def export(self, stream: str) -> list[Row]:
        """Every row of `customers`, `suppliers` or `invoices`, in key order."""
        rows = await self._ask("GET", "export", params={"stream": stream})
        return [msgspec.json.decode(line) for line in rows.splitlines()]

    async def change(self, stream: str, *patches: Mapping[str, Any]) -> None:
        """Create or change customers or suppliers, as somebody working in X3 does."""
        await self._ask("POST", stream, json=list(patches))

    async def delete(self, stream: str, code: str) -> None:
        """Delete one customer or supplier for good."""
        await self._ask("DELETE", stream, params={"code": code})


class Mailchimp(StandIn):
    """The stand-in for Mailchimp: members, calls, consent."""

    async def audience(self, list_id: str) -> Audience:
        """The list as it is now."""
        lines = await self._ask("GET", "members", params={"list": list_id})
        rows = [msgspec.json.decode(line) for line in lines.splitlines()]
        return Audience(
            {
                row["email"].lower(): Member(row["status"], row["merge_fields"], tuple(row["tags"]), row["writes"])
                for row in rows
            }
        )

    async def write_calls(self) -> int:
        """How many calls that can change something have been made since the start, whatever became of them."""
        requests = msgspec.json.decode(await self._ask("GET", "stats"))["requests"]
        return sum(count for name, count in requests.items() if not name.startswith(("get", "problem")))

    async def store(self, store_id: str) -> dict[str, Any]:
        """All of a store: `customers`, `products` and `orders` by id."""
        found: dict[str, Any] = msgspec.json.decode(await self._ask("GET", "store", params={"id": store_id}))
        return found

    async def leave(self, list_id: str, email: str) -> None:
        """A person unsubscribes, by the link in a mail."""
        await self._ask("POST", "unsubscribe", json={"email": email, "list": list_id})

    async def edit(self, list_id: str, email: str, fields: Mapping[str, str]) -> None:
        """Somebody overwrites merge fields of a member by hand."""
        await self._ask("POST", "profile", json={"email": email, "list": list_id, "merge_fields": fields})

    async def upward_moves(self) -> int:
        """How often the API gave a person more mail than they had agreed to."""
        return len(msgspec.json.decode(await self._ask("GET", "consent"))["upward"])
