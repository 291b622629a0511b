"""One audience as a target: members in batches and one by one, tags, merge fields, the mirror.

People Mailchimp does not know go through the insert-only call, the only one that may carry `subscribed`. Members it
knows are changed with PATCH, which creates nobody, and without a status; the single status ever written to them is
`unsubscribed`.

Source: Marketing API, Lists and List members.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec

from app.connectors.mailchimp import payloads
from app.connectors.mailchimp.client import Answer, MailchimpClient
from app.connectors.mailchimp.errors import MemberRefused, refusal_of
from app.connectors.mailchimp.inserting import MAX_ROWS, Splitter
from app.connectors.mailchimp.paging import PAGE_ROWS, all_pages
from app.connectors.mailchimp.rows import is_blank, mirror_row, updated_row
from app.connectors.mailchimp.segments import MAX_ADDRESSES, Segments
from app.connectors.mailchimp.shapes import (
    Audience,
    BulkAnswer,
    MemberRow,
    MembersPage,
    MergeField,
    MergeFieldsPage,
    TagsPage,
)
from app.domain.audience import Inserted, MirrorRow, NewMember, RowError, UpdatedRow

_MEMBER_FIELDS = ("id", "email_address", "status", "last_changed")
_WHOLE_FIELDS = (*_MEMBER_FIELDS, "merge_fields", "tags", "tags_count")
_SKIP_REQUIRED = {"skip_merge_validation": "true"}
_INSERT_ONLY = {**_SKIP_REQUIRED, "skip_duplicate_check": "true"}

_bulk = Answer(BulkAnswer)
_member = Answer(MemberRow)
_members = Answer(MembersPage)
_tags = Answer(TagsPage)
_merge_field = Answer(MergeField)
_merge_fields = Answer(MergeFieldsPage)
_audience = Answer(Audience)


class MailchimpAudience:
    """The audience `list_id` of one account; satisfies `Target` of app/sync/ports.py."""

    def __init__(self, client: MailchimpClient, list_id: str) -> None:
        self._client = client
        self._root = f"/lists/{quote(list_id, safe='')}"
        self._segments = Segments(client, self._root)

    async def insert(self, rows: Sequence[NewMember], status: str) -> Inserted:
        """Insert-only, at most 500 rows; nobody Mailchimp knows is changed.

        Never repeated when the outcome is unknown: the caller has written down what it was about to do.
        """
        if len(rows) > MAX_ROWS:
            raise ValueError(f"at most {MAX_ROWS} rows in one call")
        return await Splitter(lambda part: self._post(part, status), status).insert(rows)

    async def _post(self, rows: Sequence[NewMember], status: str) -> BulkAnswer:
        body = payloads.bulk_body(rows, status)
        return await self._client.send("POST", self._root, _bulk, params=_INSERT_ONLY, body=body, repeat_unknown=False)

    async def update(self, hash_: bytes, email: str | None, fragment: bytes, fill: Mapping[str, object]) -> UpdatedRow:
        """Change a known member with PATCH, without a status; `email` moves the address.

        `fill` are merge fields to set only where the member has no value; they cost a read. Merge fields Mailchimp
        refuses are left out and the rest is sent once more; `dropped` names them. A move is not repeated when its
        outcome is unknown: the member may answer to the new address already.

        Raises:
            MemberRefused: member_gone, address_taken, or another typed refusal.
        """
        if fill:
            fragment = await self._filled(hash_, fragment, fill)
        try:
            return updated_row(await self._change(hash_, email, fragment))
        except MemberRefused as refused:
            dropped = _droppable(refused, fragment)
            if not dropped:
                raise
        rest = payloads.without_fields(fragment, [error.field for error in dropped if error.field])
        return updated_row(await self._change(hash_, email, rest), dropped)

    async def _filled(self, hash_: bytes, fragment: bytes, fill: Mapping[str, object]) -> bytes:
        row = await self._client.ask(self._path(hash_), _member, {"fields": "id,merge_fields"})
        missing = {tag: value for tag, value in fill.items() if is_blank(row.merge_fields.get(tag))}
        return payloads.with_fields(fragment, missing) if missing else fragment

    async def _change(self, hash_: bytes, email: str | None, fragment: bytes) -> MemberRow:
        body = payloads.patch_body(fragment, email)
        if email is None:
            return await self._patch(hash_, body)
        try:
            return await self._patch(hash_, body, repeat_unknown=False)
        except MemberRefused as refused:
            if refused.code != "member_exists":
                raise
            raise refusal_of("address_taken", refused.detail) from None

    async def _patch(self, hash_: bytes, body: bytes, *, repeat_unknown: bool = True) -> MemberRow:
        path = self._path(hash_)
        return await self._client.send(
            "PATCH", path, _member, params=_SKIP_REQUIRED, body=body, repeat_unknown=repeat_unknown
        )

    async def restore(self, hash_: bytes, email: str, fragment: bytes, status_if_new: str) -> MirrorRow:
        """Bring back a member we archived: PUT with status_if_new, never `subscribed` (ValueError)."""
        body = payloads.put_body(email, status_if_new, fragment)
        return mirror_row(await self._client.send("PUT", self._path(hash_), _member, params=_SKIP_REQUIRED, body=body))

    async def read(self, hash_: bytes) -> MirrorRow | None:
        """One member as it is, with merge fields and all tags; None when the audience does not know it."""
        try:
            row = await self._client.ask(self._path(hash_), _member, {"fields": ",".join(_WHOLE_FIELDS)})
        except MemberRefused as refused:
            if refused.code == "member_gone":
                return None
            raise
        return await self._whole(row)

    async def archive(self, hash_: bytes) -> None:
        """Hide the member, reversibly; an absent or archived one counts as done."""
        try:
            await self._absent_is_done("DELETE", self._path(hash_))
        except MemberRefused as refused:
            if refused.code != "not_allowed":
                raise
            # Mailchimp answers 405 for a member that is archived already, as after a repeated call.
            found = await self.read(hash_)
            if found is not None and found.status != "archived":
                raise

    async def erase(self, hash_: bytes) -> None:
        """Delete a person for good; the address can never be imported again. An absent one counts as done."""
        await self._absent_is_done("POST", f"{self._path(hash_)}/actions/delete-permanent")

    async def _absent_is_done(self, method: str, path: str) -> None:
        try:
            await self._client.do(method, path)
        except MemberRefused as refused:
            if refused.code != "member_gone":
                raise

    async def unsubscribe(self, hash_: bytes) -> MirrorRow:
        """The only status we ever write to a known member."""
        return mirror_row(await self._patch(hash_, payloads.UNSUBSCRIBE))

    async def set_tags(self, hash_: bytes, on: Sequence[str], off: Sequence[str]) -> None:
        """Add and take off tags of one member; no automation starts. Other tags stay."""
        if on or off:
            await self._client.do("POST", f"{self._path(hash_)}/tags", body=payloads.tags_body(on, off))

    async def tag_many(self, tag: str, add: Sequence[str], remove: Sequence[str]) -> None:
        """Tag and untag at most 500 addresses each way in one call; addresses the audience lacks are passed over."""
        if max(len(add), len(remove)) > MAX_ADDRESSES:
            raise ValueError(f"at most {MAX_ADDRESSES} addresses each way in one call")
        if add or remove:
            await self._segments.change(tag, add, remove)

    async def members(self, *, since: datetime | None, whole: bool = False) -> AsyncIterator[Sequence[MirrorRow]]:
        """All members, or those changed since (aware), of every status, in pages of at most 1000.

        Every member comes at least once, a few may come twice. `whole` adds merge fields and all tags.
        """
        archived_seen = False
        async for rows in self._pages(since, whole, {}):
            archived_seen = archived_seen or any(row.status == "archived" for row in rows)
            yield rows
        if not archived_seen:  # whether an unfiltered list holds archived members is not documented
            async for rows in self._pages(since, whole, {"status": "archived"}):
                yield rows

    async def _pages(
        self, since: datetime | None, whole: bool, chosen: Mapping[str, str]
    ) -> AsyncIterator[Sequence[MirrorRow]]:
        fields = _WHOLE_FIELDS if whole else _MEMBER_FIELDS
        params: dict[str, str | int] = {"count": PAGE_ROWS, "sort_field": "timestamp_opt", "sort_dir": "ASC", **chosen}
        params["fields"] = ",".join([*(f"members.{name}" for name in fields), "total_items"])
        if since is not None:
            params["since_last_changed"] = since.isoformat()

        async def fetch(offset: int) -> MembersPage:
            return await self._client.ask(f"{self._root}/members", _members, {**params, "offset": offset})

        async for rows in all_pages(fetch):
            if rows:
                yield [await self._whole(row) for row in rows] if whole else [mirror_row(row) for row in rows]

    async def _whole(self, row: MemberRow) -> MirrorRow:
        """The row with all its tags; answers list 50 at most."""
        made = mirror_row(row)
        if row.tags_count <= len(row.tags):
            return made
        page = await self._client.ask(f"{self._path(made.hash)}/tags", _tags, {"count": PAGE_ROWS})
        return msgspec.structs.replace(made, tags=tuple(tag.name for tag in page.tags))

    async def get_list(self) -> Audience:
        """The audience itself: name, whether it asks for double opt-in, how many members."""
        fields = "id,name,double_optin,stats.member_count,stats.unsubscribe_count,stats.cleaned_count"
        return await self._client.ask(self._root, _audience, {"fields": fields})

    async def merge_fields(self) -> list[MergeField]:
        """Every merge field the audience defines."""
        page = await self._client.ask(f"{self._root}/merge-fields", _merge_fields, {"count": PAGE_ROWS})
        return page.merge_fields

    async def create_merge_field(self, tag: str, name: str, type: str) -> MergeField:  # noqa: A002 - vendor's word
        """Add an optional, hidden merge field; when the tag exists by now, that one is returned."""
        body = msgspec.json.encode({"tag": tag, "name": name, "type": type, "required": False, "public": False})
        try:
            return await self._client.send("POST", f"{self._root}/merge-fields", _merge_field, body=body)
        except MemberRefused:
            made = next((field for field in await self.merge_fields() if field.tag == tag), None)
            if made is None:
                raise
            return made

    def _path(self, hash_: bytes) -> str:
        return f"{self._root}/members/{hash_.hex()}"


def _droppable(refused: MemberRefused, fragment: bytes) -> tuple[RowError, ...]:
    """The merge fields to leave out: those the refusal names and we sent. None left means there is no way around."""
    if refused.code not in ("merge_field", "incomplete_address"):
        return ()
    ours = payloads.field_tags(fragment)
    return tuple(RowError(refused.code, message, field) for field, message in refused.faults if field in ours)
