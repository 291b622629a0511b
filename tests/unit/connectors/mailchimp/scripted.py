"""A Mailchimp that answers from a script and remembers what it was asked."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.client import MailchimpClient
from app.connectors.mailchimp.opening import open_client
from app.connectors.pacing import LocalPacer
from app.domain.audience import NewMember
from app.domain.member import subscriber_hash

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Script:
    """Replies in order; the last one repeats. `requests` are those received."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, httpx.Response) else reply(request)

    def body(self, place: int = -1) -> Any:
        return json.loads(self.requests[place].content)

    def client(self, attempts: int = 6, **credential: str) -> MailchimpClient:
        return open_client(
            kind="oauth" if "access_token" in credential else "api_key",
            settings={"base_url": "https://mc.test/3.0"} if "access_token" in credential else {},
            credential=credential or {"api_key": "0123456789abcdef-us6"},
            facts={},
            outbound_client=httpx.AsyncClient(transport=httpx.MockTransport(self)),
            pacer=LocalPacer(8),
            attempts=attempts,
        )

    def audience(self) -> MailchimpAudience:
        return MailchimpAudience(self.client(), "a6b5da1054")


def ok(body: Mapping[str, Any] | None = None) -> httpx.Response:
    return httpx.Response(204) if body is None else httpx.Response(200, json=body)


def problem(
    status: int, title: str = "Invalid Resource", detail: str = "", errors: list[dict[str, str]] | None = None
) -> httpx.Response:
    document: dict[str, Any] = {"title": title, "status": status, "detail": detail, "instance": "995c5cb0"}
    if errors is not None:
        document["errors"] = errors
    return httpx.Response(status, json=document, headers={"Content-Type": "application/problem+json"})


def html(status: int) -> httpx.Response:
    return httpx.Response(status, html="<html><body>Access Denied</body></html>")


def a_member(email: str = "ada@acme.test", **more: Any) -> dict[str, Any]:
    member = {"id": subscriber_hash(email).hex(), "email_address": email, "status": "transactional"}
    return {**member, "last_changed": "2026-03-01T10:00:00+00:00", **more}


def a_row(email: str, fragment: bytes = b'"merge_fields":{"FNAME":"Ada"}', tags: tuple[str, ...] = ()) -> NewMember:
    return NewMember(subscriber_hash(email), email, fragment, tags)
