"""Both vendors as a process of their own, and what people, time and networks do to them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec

Row = dict[str, Any]


class Nursery:
    """The process that makes sandboxes; they end with it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def sandbox(self, **options: Any) -> "Sandbox":
        """A fresh one; `options` are those of sandbox.server.Options."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(options) + b"\n")
        self._process.stdin.flush()
        return Sandbox(msgspec.json.decode(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate(timeout=30)


class Vendor:
    """The control endpoints of one server."""

    def __init__(self, sandbox: "Sandbox", url: str) -> None:
        self._sandbox = sandbox
        self._url = f"{url}/_sandbox/"

    async def call(self, method: str, name: str, body: Any = None, **params: Any) -> Any:
        """The answer of one control call; fails when it is refused."""
        answer = await self._sandbox.http.request(
            method, self._url + name, content=None if body is None else msgspec.json.encode(body), params=params
        )
        assert answer.is_success, f"{method} {name}: {answer.status_code} {answer.text}"
        if "ndjson" in answer.headers.get("content-type", ""):
            return list(_lines(answer.content))
        return answer.json() if answer.content else None

    async def fault(self, kind: str, **given: Any) -> None:
        """Switch a fault on; see sandbox/README.md."""
        await self.call("POST", "faults", {"kind": kind, **given})

    async def no_faults(self) -> None:
        await self.call("DELETE", "faults")

    async def struck(self) -> bool:
        """Whether no fault waits any more for its first strike."""
        return all(fault["struck"] for fault in await self.call("GET", "faults"))

    async def settings(self, **changed: Any) -> None:
        await self.call("PATCH", "settings", changed)

    async def stats(self) -> Row:
        found: Row = await self.call("GET", "stats")
        return found


def _lines(content: bytes) -> Iterator[Row]:
    return (msgspec.json.decode(line) for line in content.splitlines() if line)


class Sandbox:
    """One X3 and one Mailchimp of a test's own."""

    def __init__(self, made: dict[str, Any]) -> None:
        self.pid: int = made["pid"]
        self.at_x3: dict[str, str] = made["x3"]
        self.at_mailchimp: dict[str, Any] = made["mailchimp"]
        self.lists: list[str] = self.at_mailchimp["lists"]
        self._http: httpx.AsyncClient | None = None
        self.x3 = Vendor(self, self.at_x3["url"])
        self.mailchimp = Vendor(self, self.at_mailchimp["url"])

    @property
    def http(self) -> httpx.AsyncClient:
        """Made anew for each test, since pytest's event loops live for one."""
        self._http = self._http or httpx.AsyncClient(trust_env=False, timeout=30)
        return self._http

    async def rest(self) -> None:
        """Close what belongs to the present event loop."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    async def put(self, *parties: Row, stream: str = "customers") -> None:
        """Create or change parties in X3 the way people do: only the rows concerned get a new stamp."""
        await self.x3.call("POST", stream, list(parties))

    async def export(self, stream: str = "customers") -> list[Row]:
        """X3's present truth."""
        rows: list[Row] = await self.x3.call("GET", "export", stream=stream)
        return rows

    async def members(self, list_id: str) -> list[Row]:
        """Everybody in an audience, archived people included."""
        rows: list[Row] = await self.mailchimp.call("GET", "members", list=list_id)
        return rows

    async def person(self, what: str, email: str, **given: Any) -> None:
        """What a person or an administrator does at Mailchimp: unsubscribe, subscribe, clean, archive, forget …"""
        await self.mailchimp.call("POST", what, {"email": email, **given})

    async def add_member(self, list_id: str, email: str, status: str = "subscribed", **given: Any) -> None:
        """Somebody Mailchimp knows before we come."""
        body = {"email_address": email, "status": status, **given}
        await self.marketing("POST", f"lists/{list_id}/members", body)

    async def add_merge_field(self, list_id: str, tag: str, kind: str = "text", **given: Any) -> None:
        await self.marketing("POST", f"lists/{list_id}/merge-fields", {"tag": tag, "name": tag, "type": kind, **given})

    async def delete_merge_field(self, list_id: str, tag: str) -> None:
        fields = (await self.marketing("GET", f"lists/{list_id}/merge-fields?count=100"))["merge_fields"]
        found = next(field["merge_id"] for field in fields if field["tag"] == tag)
        await self.marketing("DELETE", f"lists/{list_id}/merge-fields/{found}")

    async def delete_audience(self, list_id: str) -> None:
        await self.marketing("DELETE", f"lists/{list_id}")

    async def marketing(self, method: str, path: str, body: Any = None) -> Any:
        """What somebody else does by Mailchimp's own API, with the key of the account."""
        key = self.at_mailchimp["api_key"]
        url = f"{self.at_mailchimp['base_url']}/{path}"
        answer = await self.http.request(method, url, json=body, auth=("any", key))
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None
