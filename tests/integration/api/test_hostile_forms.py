"""What vendors send is a form, a query or loose JSON: each field of it wrong is an answer of ours, never an error."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes, urlencode, urlsplit
from uuid import UUID

import pytest

from app.api.callback_limits import CallbackLimits
from app.connectors.mailchimp.signatures import mandrill_signature
from app.connectors.mailchimp.webhooks import RemoteHook
from app.webhooks.processing import process
from tests.integration.api.conftest import Api
from tests.integration.api.objects import a_mailchimp

pytestmark = pytest.mark.integration

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXTS: tuple[bytes, ...] = (
    *(b"", b" ", b"x", b"x" * 70_000, b"a\nb", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", "💥".encode() * 300, b"-1"),
    *(b"9" * 5000, b"2026-13-45 99:99:99", b"{{7*7}}", b"'; drop table tenant; --", b"../../etc/passwd", b"null"),
)
MEMBER = {
    "data[id]": "8a25ff1d98",
    "data[list_id]": "a6b5da1054",
    "data[email]": "ada@acme.test",
    "data[email_type]": "html",
    "data[ip_opt]": "203.0.113.7",
    "data[merges][FNAME]": "Ada",
}
MOVED = {"data[new_id]": "1", "data[new_email]": "new@acme.test", "data[old_email]": "ada@acme.test"}
EVENTS: dict[str, dict[str, str]] = {
    "subscribe": MEMBER,
    "unsubscribe": {**MEMBER, "data[action]": "unsub", "data[reason]": "manual", "data[campaign_id]": "cb398d21d2"},
    "profile": MEMBER,
    "upemail": {"data[list_id]": "a6b5da1054", **MOVED},
    "cleaned": {**MEMBER, "data[reason]": "hard", "data[campaign_id]": "4fjk2ma9xd"},
    "campaign": {"data[list_id]": "a6b5da1054", "data[id]": "c1", "data[subject]": "News", "data[status]": "sent"},
}
MANDRILL = {"event": "hard_bounce", "ts": 1718000000, "_id": "m1", "msg": {"email": "ada@acme.test", "tags": ["a"]}}
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**63, 10**39, "", "x", "x" * 70_000, "a\u0000b", "💥" * 300, "\ud800"),
    *([], ["x"], [None], {}, {"": ""}, [[[]]], "2026-13-45"),
)


class Hook:
    """A webhook of each kind, made without Mailchimp: `announce` says yes."""

    def __init__(self, api: Api, tenant: str) -> None:
        self.api, self.tenant, self.tenant_id = api, tenant, UUID(tenant[-36:])

    async def made(self, **given: Any) -> str:
        connection = await self.api.made(f"{self.tenant}/connections", a_mailchimp(name=given["kind"]))
        hooks = f"{self.tenant}/connections/{connection['id']}/webhooks"
        made = await self.api.made(hooks, given)
        if given["kind"] == "transactional":
            await self.api.call("PATCH", f"{hooks}/{made['id']}", json={"signing_key": "mandrills-key"})
        url: str = made["url"]
        return url

    async def sent(self, url: str, body: bytes, **headers: str) -> int:
        """As Mailchimp does: without a key, and with an answer that has no body."""
        path = urlsplit(url).path
        return (await self.api.http.post(path, content=body, headers={**FORM, **headers})).status_code

    async def unfinished(self) -> list[str]:
        """Types of events that could not be worked off."""
        resources = self.api.resources
        await process(resources.database, resources.vault, self.tenant_id)
        async with resources.database.transaction(self.tenant_id) as connection:
            rows = await connection.fetch("select type from webhook_event where state <> 'processed'")
            count = await connection.fetchval("select count(*) from webhook_event")
        assert count > 20
        return [row["type"] for row in rows]


@pytest.fixture
async def hook(api: Api, monkeypatch: pytest.MonkeyPatch) -> Hook:
    async def registered(*_args: object) -> RemoteHook:
        return RemoteHook("1")

    monkeypatch.setattr("app.webhooks.registering.announce", registered)
    return Hook(api, await api.tenant())


def encoded(fields: dict[str, bytes]) -> bytes:
    return "&".join(f"{quote_from_bytes(name.encode())}={quote_from_bytes(fields[name])}" for name in fields).encode()


def spoilt(fields: dict[str, str]) -> Iterator[bytes]:
    """The form with each field wrong, missing, twice, and under another name."""
    right = {name: value.encode() for name, value in fields.items()}
    for name in right:
        for wrong in TEXTS:
            yield encoded({**right, name: wrong})
        yield encoded({other: value for other, value in right.items() if other != name})
        yield encoded(right) + b"&" + encoded({name: b"other"})
        for odd in (f"{name}[x]", f"{name}[", name.replace("]", ""), "data[" * 200 + "]" * 200, "data[data]", "data"):
            yield encoded({**{other: value for other, value in right.items() if other != name}, odd: right[name]})


@pytest.mark.parametrize("kind", EVENTS)
async def test_a_delivery_is_taken_and_worked_off_whatever_is_in_it(hook: Hook, kind: str) -> None:
    """Authentic by its path: 200, whatever it says, and nothing that cannot be worked off stays behind."""
    url = await hook.made(kind="audience", audience_id="a6b5da1054")
    fields = {"type": kind, "fired_at": "2026-03-26 21:35:57", **EVENTS[kind]}

    assert await hook.sent(url, urlencode(fields).encode()) == 200
    answers = [(await hook.sent(url, body), body[:100]) for body in spoilt(fields)]

    assert [answer for answer in answers if answer[0] != 200] == []
    assert await hook.unfinished() == []


async def test_a_delivery_of_mandrill_is_taken_and_worked_off_whatever_is_in_it(hook: Hook) -> None:
    url = await hook.made(kind="transactional")
    bodies = [json.dumps([wrong_event]) for wrong_event in _events(MANDRILL)]
    bodies += [
        "",
        "[",
        "{}",
        "null",
        "[null]",
        "[[]]",
        '"x"',
        "[NaN]",
        "[1e400]",
        "[" * 5000,
        '[{"msg": {}}]',
        "\ufeff[]",
    ]

    async def deliver(events: str) -> int:
        raw = events.encode("utf-8", "surrogatepass")
        proof = mandrill_signature("mandrills-key", url, [("mandrill_events", events)]).decode()
        return await hook.sent(url, encoded({"mandrill_events": raw}), **{"X-Mandrill-Signature": proof})

    assert await deliver(json.dumps([MANDRILL])) == 200
    answers = [(await deliver(events), events[:100]) for events in bodies]

    assert [answer for answer in answers if answer[0] != 200] == []
    assert await hook.unfinished() == []


def _events(right: dict[str, Any]) -> Iterator[Any]:
    for wrong in VALUES:
        yield wrong
        for name in right:
            yield {**right, name: wrong}
        for name in right["msg"]:
            yield {**right, "msg": {**right["msg"], name: wrong}}


FIELDS = ("state", "code", "authorizationCode", "authorization_code", "endpoint", "error", "error_description")


@pytest.mark.parametrize("way", ["query", "form", "json"])
async def test_a_callback_with_anything_wrong_is_refused(api: Api, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def uncounted(*_args: object) -> None:
        return None

    for name in ("count_source", "count_state"):
        monkeypatch.setattr(CallbackLimits, name, uncounted)
    right = {"state": "A" * 43, "code": "c", "endpoint": "https://api.eu-prod-sagex3.com/v1"}
    answers = []
    for path in ("/oauth/callback/sage-x3", "/oauth/callback/mailchimp")[: 2 if way == "query" else 1]:
        for name in FIELDS:
            if way == "json":
                given = [json.dumps({**right, name: value}).encode() for value in VALUES]
            else:
                given = [encoded({**{n: v.encode() for n, v in right.items()}, name: text}) for text in TEXTS]
            for body in (each for each in given if way != "query" or len(each) < 20_000):  # more no client sends
                answers.append((await _called(api, way, path, body), name, body[:100]))

    assert {status for status, _, _ in answers} <= {400, 403, 413, 414, 422}, [a for a in answers if a[0] >= 500]


async def _called(api: Api, way: str, path: str, body: bytes) -> int:
    if way == "query":
        return (await api.http.get(f"{path}?{body.decode()}")).status_code
    kind = {"form": FORM["Content-Type"], "json": "application/json"}[way]
    return (await api.http.post(path, content=body, headers={"Content-Type": kind})).status_code
