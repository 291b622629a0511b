"""The product's own REST API, as the story calls it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from app.cli.demo.broken import StoryBroken

Object = dict[str, Any]
ENDED = ("succeeded", "partially_failed", "failed", "cancelled", "halted")


class Api:
    """A caller with one key; whatever is refused breaks the story with the problem's sentence."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60)

    async def get(self, path: str, **query: Any) -> Any:
        """The body of a GET."""
        return self._read(await self._http.get(path, params=query))

    async def post(self, path: str, body: Any = None) -> Any:
        """The body of a POST, safe to repeat."""
        return self._read(await self._http.post(path, json=body, headers={"Idempotency-Key": str(uuid4())}))

    async def every(self, path: str, **query: Any) -> list[Object]:
        """All items of a list, page by page."""
        items: list[Object] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await self.get(path, limit=200, **query, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
        return items

    async def follow(self, path: str) -> AsyncIterator[Object]:
        """A run as it changes, from its server-sent events, until it has ended or is halted."""
        async with self._http.stream("GET", f"{path}/events") as answer:
            if not answer.is_success:
                await answer.aread()
                self._read(answer)
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    run = msgspec.json.decode(line.removeprefix("data: "))
                    yield run
                    if run["state"] in ENDED:
                        return

    async def close(self) -> None:
        await self._http.aclose()

    @staticmethod
    def _read(answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json() if answer.content else None
        request = answer.request
        raise StoryBroken(f"{request.method} {request.url.path} was answered {answer.status_code}: {answer.text[:500]}")
