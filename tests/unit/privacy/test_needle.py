"""Exactly one address is found, wherever it stands."""

import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.privacy.needle import Needle

ADA = Needle("Ada@acme.test")


@pytest.mark.parametrize(
    "body",
    [
        b"ada@acme.test",
        b"ADA@ACME.TEST",
        b'{"email":"Ada@acme.test"}',
        b"write to ada@acme.test.",
        b"<ada@acme.test>, eve@acme.test",
        b"data%5Bemail%5D=Ada%40acme.test&x=1",
        b"data[merges][NOTE]=knows+ada%40acme%2Etest",
    ],
)
def test_it_is_found(body: bytes) -> None:
    assert ADA.is_in(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"canada@acme.test",
        b"x.ada@acme.test",
        b"ada+x@acme.test",
        b"ada@acme.testing",
        b"ada@acme.test.uk",
        b"ada",
    ],
)
def test_another_address_that_contains_it_is_not(body: bytes) -> None:
    assert not ADA.is_in(body)


def test_addresses_are_no_patterns() -> None:
    assert not Needle("a.b@x.test").is_in(b"aXb@x.test")
    assert Needle("a+(b)@x.test").is_in(b"a+(b)@x.test")


@given(st.emails(), st.binary(max_size=30))
def test_every_address_is_found_in_json_and_in_a_form(email: str, around: bytes) -> None:
    needle = Needle(email)

    assert needle.is_in(json.dumps({"email": email}).encode())
    assert needle.is_in(f"data%5Bemail%5D={quote_plus(email)}&a=b".encode())
    needle.is_in(around)


def entry(key: str, email: str | None, **body: str) -> list[object]:
    return [key, key, email, "updated", None, {"merge_fields": body}, ["x3"], [["FNAME", "cut"]]]


def test_a_page_loses_what_it_says_of_the_person_and_nothing_else() -> None:
    entries = [
        entry("C1", "eve@acme.test", NOTE="x"),
        entry("C2", "Ada@acme.test", FNAME="Ada"),
        entry("C3", "bob@acme.test", NOTE="asks ada@acme.test"),
    ]

    left = ADA.without(json.dumps(entries).encode())

    assert left is not None
    bare = [["C2", "C2", None, "updated", None, {}, [], []], ["C3", "C3", None, "updated", None, {}, [], []]]
    assert json.loads(left) == [entries[0], *bare]
    assert ADA.without(json.dumps(entries[:1]).encode()) is None
