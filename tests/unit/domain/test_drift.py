"""When a member in Mailchimp counts as changed."""

import pytest

from app.domain.drift import CHANGED, MISSING, Comparison, Copied, canonical
from app.domain.member import Member

KEY = b"k" * 16


def a_member(fields: dict[str, str | int | float | dict[str, str]], **given: tuple[str, ...]) -> Member:
    return Member(
        "C1",
        "C1",
        "a@acme.test",
        b"h" * 16,
        True,
        False,
        fields,
        {},
        **{"tags": (), "tags_off": (), **given},
        language=None,
    )


@pytest.mark.parametrize(
    ("sent", "given_back"),
    [
        (5, "5"),
        (5.0, 5),
        ("Acme", " Acme "),
        ("1.50", 1.5),
        ("", None),
        ({"addr1": "1 Rue", "city": "Lyon"}, {"addr1": "1 Rue", "addr2": "", "city": "Lyon", "zip": ""}),
    ],
)
def test_what_mailchimp_writes_in_its_own_way_is_no_change(sent: object, given_back: object) -> None:
    assert canonical(sent) == canonical(given_back)


@pytest.mark.parametrize(
    ("one", "other"), [("0612", "612"), ("1e5", "100000"), ("Acme", "acme"), ("5", "5.01"), ("", "0")]
)
def test_what_differs_for_a_reader_differs(one: object, other: object) -> None:
    assert canonical(one) != canonical(other)


def test_a_member_is_compared_by_the_fields_it_writes_and_its_tags() -> None:
    comparison = Comparison(["CITY", "COMPANY"], KEY)
    found = Copied(comparison.copy({"COMPANY": "Acme", "CITY": "Lyon", "OTHER": "x"}), ["x3", "vip"])

    assert comparison.drift(a_member({"COMPANY": "Acme"}), found) is None
    assert comparison.drift(a_member({"COMPANY": "Acme", "CITY": ""}), found) == CHANGED
    assert comparison.drift(a_member({"COMPANY": "Acme"}, tags=("x3",), tags_off=("old",)), found) is None
    assert comparison.drift(a_member({"COMPANY": "Acme"}, tags=("gone",)), found) == CHANGED
    assert comparison.drift(a_member({"COMPANY": "Acme"}, tags_off=("vip",)), found) == CHANGED
    assert comparison.drift(a_member({}), None) == MISSING
