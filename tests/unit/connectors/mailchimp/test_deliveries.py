"""Forms become events; what cannot be one is malformed and nothing worse."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.mailchimp.deliveries import (
    Delivery,
    Malformed,
    audience_delivery,
    fields_of,
    read_form,
    transactional_deliveries,
    transactional_event,
)

FORM = "application/x-www-form-urlencoded"
UNSUBSCRIBE = {
    "type": "unsubscribe",
    "fired_at": "2026-01-02 03:04:05",
    "data[action]": "unsub",
    "data[reason]": "manual",
    "data[id]": "8a25ff1d98",
    "data[list_id]": "a6b5da1054",
    "data[email]": "Ada@acme.test",
    "data[merges][EMAIL]": "Ada@acme.test",
    "data[merges][ADDRESS][addr1]": "1 Main St",
}


def read(fields: dict[str, str], content_type: str = FORM) -> Delivery:
    body = urlencode(fields).encode()
    return audience_delivery(read_form(content_type, body), body)


def test_an_opt_out_is_understood() -> None:
    delivery = read(UNSUBSCRIBE)

    assert (delivery.type, delivery.list_id, delivery.email) == ("unsubscribe", "a6b5da1054", "Ada@acme.test")
    assert (delivery.seen, delivery.reason) == ("unsubscribed", "manual")
    assert delivery.fired_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert fields_of("audience", delivery.body) == UNSUBSCRIBE


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        ({"type": "subscribe"}, "subscribed"),
        ({"type": "cleaned"}, "cleaned"),
        ({"type": "profile"}, None),
        ({"data[action]": "delete"}, "archived"),
        ({"data[action]": ""}, "unsubscribed"),
        ({"type": "sms_unsubscribe"}, None),
        ({"type": "campaign"}, None),
    ],
)
def test_each_type_tells_its_status_or_none(changed: dict[str, str], seen: str | None) -> None:
    assert read({**UNSUBSCRIBE, **changed}).seen == seen


def test_a_change_of_address_names_both() -> None:
    fields = {"type": "upemail", "data[new_email]": "new@acme.test", "data[old_email]": "old@acme.test"}

    delivery = read({**fields, "data[new_id]": "x", "fired_at": "2026-01-02 03:04:05"})

    assert (delivery.email, delivery.former_email, delivery.seen) == ("new@acme.test", "old@acme.test", None)


def test_repeats_are_the_same_and_everything_else_is_not() -> None:
    changes: list[dict[str, str]] = [
        {},
        {"type": "cleaned"},
        {"fired_at": "2026-01-02 03:04:06"},
        {"data[list_id]": "other"},
        {"data[id]": "other"},
        {"data[email]": "eve@acme.test"},
        {"data[action]": "delete"},
    ]

    identities = {read({**UNSUBSCRIBE, **change}).identity for change in changes}

    assert len(identities) == len(changes)
    assert read({**UNSUBSCRIBE, "data[merges][FNAME]": "Ada"}).identity == read(UNSUBSCRIBE).identity
    assert read(dict(reversed(UNSUBSCRIBE.items()))).identity == read(UNSUBSCRIBE).identity


def test_without_a_time_the_whole_body_tells_repeats() -> None:
    timeless = {**UNSUBSCRIBE, "fired_at": "yesterday"}

    assert read(timeless).fired_at is None
    assert read(timeless).identity == read(timeless).identity
    assert read(timeless).identity != read({**timeless, "data[merges][FNAME]": "Ada"}).identity


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"type": ""},
        {"type": "Unsubscribe!"},
        {"type": "x" * 41},
        {**UNSUBSCRIBE, "data[email]": ""},
        {**UNSUBSCRIBE, "data[email]": "nobody"},
        {**UNSUBSCRIBE, "data[email]": "a@b\x00"},
        {**UNSUBSCRIBE, "data[email]": "a" * 400 + "@acme.test"},
        {**UNSUBSCRIBE, **{f"data[merges][F{n}]": "x" for n in range(200)}},
        {"type": "upemail", "data[old_email]": "old@acme.test"},
    ],
)
def test_what_makes_no_sense_is_malformed(fields: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        read(fields)


@pytest.mark.parametrize("content_type", ["application/json", "", "multipart/form-data; boundary=x", "text/plain"])
def test_only_forms_are_read(content_type: str) -> None:
    with pytest.raises(Malformed):
        read(UNSUBSCRIBE, content_type)


@pytest.mark.parametrize("content_type", [FORM.upper(), f"{FORM}; charset=UTF-8", f" {FORM} ;x"])
def test_forms_are_read_however_they_are_announced(content_type: str) -> None:
    assert read(UNSUBSCRIBE, content_type).type == "unsubscribe"


@pytest.mark.parametrize("body", [b"type=\xff", b"type=%ff", b"type=%ed%a0%80", b"&" * 300 + b"a=1" * 300])
def test_broken_text_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        audience_delivery(read_form(FORM, body), body)


@given(st.binary(max_size=300))
def test_no_bytes_do_any_harm(body: bytes) -> None:
    try:
        audience_delivery(read_form(FORM, body), body)
    except Malformed:
        return


def mandrill(events: Any) -> list[Delivery]:
    body = urlencode({"mandrill_events": events if isinstance(events, str) else json.dumps(events)}).encode()
    return transactional_deliveries(read_form(FORM, body), body)


def test_mandrills_events_come_apart() -> None:
    bounce = {"event": "hard_bounce", "ts": 1718000000, "_id": "m1", "msg": {"email": "ada@acme.test"}}
    denied = {"type": "blacklist", "action": "add", "reject": {"email": "eve@acme.test"}}

    found = mandrill([bounce, {"event": "open", "ts": 1}, denied, {"event": 3}])

    assert [(each.type, each.email, each.seen) for each in found] == [
        ("hard_bounce", "ada@acme.test", "cleaned"),
        ("open", None, None),
        ("blacklist", "eve@acme.test", None),
        ("malformed", None, None),
    ]
    assert found[0].fired_at == datetime.fromtimestamp(1718000000, UTC)
    assert transactional_event(found[0].body) == found[0]
    assert fields_of("transactional", found[0].body) == bounce
    assert mandrill([dict(reversed(bounce.items()))])[0].identity == found[0].identity


@pytest.mark.parametrize("events", ["", "{}", "[1]", "[", '{"event":"open"}', [{"event": "open"}] * 1001])
def test_what_mandrill_never_sends_is_malformed(events: Any) -> None:
    with pytest.raises(Malformed):
        mandrill(events)


@pytest.mark.parametrize("stamp", [None, "now", -1, 1e300, True, [], {}])
def test_a_strange_stamp_is_no_time_and_no_error(stamp: Any) -> None:
    found = mandrill([{"event": "open", "ts": stamp}])[0]

    assert found.fired_at is None or found.fired_at.year == 1970
