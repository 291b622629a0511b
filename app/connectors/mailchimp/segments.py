"""Tags of many members at once: a tag is a static segment.

Source: Marketing API, Lists, "Batch add or remove members" (POST /lists/{list_id}/segments/{segment_id}).
"""

import asyncio
from collections.abc import Sequence

import msgspec

from app.connectors.mailchimp.client import Answer, MailchimpClient, Params
from app.connectors.mailchimp.payloads import segment_body
from app.connectors.mailchimp.shapes import Segment, SegmentAnswer, SegmentsPage
from app.domain.errors import RecordRejected

MAX_ADDRESSES = 500
_PAGE_ROWS = 1000

_segments = Answer(SegmentsPage)
_segment = Answer(Segment)
_changed = Answer(SegmentAnswer)


class Segments:
    """The static segments of one audience; ids are looked up once and kept."""

    def __init__(self, client: MailchimpClient, root: str) -> None:
        self._client = client
        self._root = f"{root}/segments"
        self._ids: dict[str, int] = {}
        self._finding = asyncio.Lock()

    async def change(self, tag: str, add: Sequence[str], remove: Sequence[str]) -> None:
        """Put the tag on and take it off, at most 500 addresses each way; makes the tag when there is none."""
        body = segment_body(add, remove)
        try:
            await self._post(await self._id(tag), body)
        except RecordRejected as error:
            if error.code != "not_found":
                raise
            self._ids.clear()  # deleted at Mailchimp since we looked
            await self._post(await self._id(tag), body)

    async def _post(self, segment_id: int, body: bytes) -> None:
        await self._client.send("POST", f"{self._root}/{segment_id}", _changed, body=body)

    async def _id(self, tag: str) -> int:
        async with self._finding:
            if tag.casefold() not in self._ids:
                await self._look()
            known = self._ids.get(tag.casefold())
            return known if known is not None else await self._create(tag)

    async def _look(self) -> None:
        offset = 0
        while True:
            fields = "segments.id,segments.name,total_items"
            params: Params = {"type": "static", "count": _PAGE_ROWS, "offset": offset, "fields": fields}
            page = await self._client.ask(self._root, _segments, params)
            self._ids.update({segment.name.casefold(): segment.id for segment in page.segments})
            offset += len(page.segments)
            if len(page.segments) < _PAGE_ROWS:
                return

    async def _create(self, tag: str) -> int:
        """Make the tag; when somebody else was quicker, take theirs."""
        body = msgspec.json.encode({"name": tag, "static_segment": []})
        try:
            made = await self._client.send("POST", self._root, _segment, body=body)
        except RecordRejected:
            await self._look()
            if tag.casefold() not in self._ids:
                raise
        else:
            self._ids[tag.casefold()] = made.id
        return self._ids[tag.casefold()]
