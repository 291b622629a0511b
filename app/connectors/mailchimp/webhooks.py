"""Registrations of webhooks at Mailchimp: those of one audience, or the account's for batches.

Source: Marketing API, "Webhooks" (/lists/{list_id}/webhooks) and "Batch webhooks" (/batch-webhooks).
"""

from typing import Any
from urllib.parse import quote

import msgspec

from app.connectors.mailchimp.client import Answer, MailchimpClient
from app.domain.errors import RecordRejected

EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
SOURCES = {"user": True, "admin": True, "api": False}  # our own writes shall not come back

_WANTED = {"events": dict.fromkeys(EVENTS, True), "sources": SOURCES}
_REFUSED = (
    "Mailchimp did not take the webhook: it must be able to reach this service from the internet at MLC_PUBLIC_URL."
)


class RemoteHook(msgspec.Struct, frozen=True):
    """A registration. `signing_secret` comes once, in the answer to its creation."""

    id: str
    url: str = ""
    events: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    enabled: bool = True
    signing_secret: str | None = None

    def __repr__(self) -> str:
        return f"RemoteHook({self.id!r}, ...)"


class _Hooks(msgspec.Struct):
    webhooks: list[RemoteHook]


_hook = Answer(RemoteHook)
_hooks = Answer(_Hooks)


class MailchimpWebhooks:
    """The hooks of the audience `list_id`, or with None those of the account for finished batches."""

    def __init__(self, client: MailchimpClient, list_id: str | None) -> None:
        self._client = client
        self._list_id = list_id
        self._root = "/batch-webhooks" if list_id is None else f"/lists/{quote(list_id, safe='')}/webhooks"

    async def all(self) -> list[RemoteHook]:
        """Every hook, other integrations' too."""
        params = {"count": 1000} if self._list_id is None else None
        return (await self._client.ask(self._root, _hooks, params)).webhooks

    async def create(self, url: str) -> RemoteHook:
        """Register `url` for all events; Mailchimp asks it with a GET before it answers.

        Never repeated when the outcome is unknown: the signing secret of an unanswered creation is lost.

        Raises:
            RecordRejected: `webhook_refused`, mostly because Mailchimp cannot reach the address.
        """
        body = {"url": url, "enabled": True} if self._list_id is None else {"url": url, **_WANTED}
        try:
            return await self._client.send(
                "POST", self._root, _hook, body=msgspec.json.encode(body), repeat_unknown=False
            )
        except RecordRejected as error:  # its text may hold the address
            raise RecordRejected("webhook_refused", _REFUSED, error.detail) from None

    def is_complete(self, hook: RemoteHook) -> bool:
        """Whether a hook delivers what it should."""
        if self._list_id is None:
            return hook.enabled
        return all(hook.events.get(name) is True for name in EVENTS) and all(
            bool(hook.sources.get(name)) is wanted for name, wanted in SOURCES.items()
        )

    async def mend(self, hook_id: str) -> None:
        """Let a hook deliver again what it should."""
        body: dict[str, Any] = {"enabled": True} if self._list_id is None else _WANTED
        await self._client.send("PATCH", self._path(hook_id), _hook, body=msgspec.json.encode(body))

    async def remove(self, hook_id: str) -> None:
        """End a registration; an absent one counts as done."""
        try:
            await self._client.do("DELETE", self._path(hook_id))
        except RecordRejected as error:
            if error.code != "not_found":
                raise

    def _path(self, hook_id: str) -> str:
        return f"{self._root}/{quote(hook_id, safe='')}"
