"""The demo's own judgement: false counts are found out, and the oracle knows an example folder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from app.cli.demo import performing
from app.cli.demo.cast import Cast
from app.cli.demo.claims import Claim, shown, verdict
from app.cli.demo.counting import Audience, Member
from app.cli.demo.ending import Ending
from app.cli.demo.expecting import address_of, contents, expect, is_prohibited
from app.cli.demo.expecting_orders import expect_orders
from app.cli.demo.scene import Scene, Truth, faithful
from app.cli.demo.setting_up import House
from app.cli.demo.showing import Stage
from app.cli.demo.world import World

TRUE = Claim("Customers", "members", {"a@x.test", "b@x.test"}, frozenset({"b@x.test", "a@x.test"}))


@pytest.mark.parametrize(
    ("false", "sentence"),
    [
        (Claim("The books", "statuses raised", 0, 1), "The books, statuses raised: expected 0, found 1."),
        (Claim("The books", "the chain verifies", True, False), "expected yes, found no."),
        (Claim("A day", "is", "unsubscribed", "subscribed"), "expected unsubscribed, found subscribed."),
        (Claim("A day", "members", {"a@x.test"}, {"b@x.test"}), "1 missing (a@x.test), 1 too many (b@x.test)."),
        (Claim("A day", "members", set("abcd"), set()), "4 missing (a, b, c, …), 0 too many."),
    ],
)
def test_one_false_claim_among_true_ones_is_named(false: Claim, sentence: str) -> None:
    said = verdict([TRUE, false, TRUE])

    assert said is not None
    assert said.startswith("1 of 3 claims is false.\n")
    assert said.endswith(sentence)


def test_true_claims_need_no_sentence_and_no_claims_are_no_proof() -> None:
    assert verdict([TRUE, Claim("", "", {"a": 1}.keys(), frozenset({"a"}))]) is None
    assert verdict([]) is not None


def test_sets_of_equal_size_are_shown_alike_and_judged_by_their_members() -> None:
    claim = Claim("", "", {"a@x.test"}, {"b@x.test"})

    assert shown(claim.expected) == shown(claim.found) == "1"
    assert not claim.holds


class Empty:
    """A system that has nothing to say."""

    async def wait(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize(("found", "code"), [(5000, 0), (4999, 1)])
async def test_the_exit_code_is_the_verdict(
    found: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(cast(Any, Empty()), cast(Any, None), cast(Any, None), cast(Any, None), {})

    @asynccontextmanager
    async def no_world(*_: Any, **__: Any) -> AsyncIterator[World]:
        yield world

    async def tell(stage: Stage, world: World) -> Scene:
        return Scene(stage, world, cast(House, None), cast(Cast, None), [Claim("Customers", "members", 5000, found)])

    monkeypatch.setattr(performing, "new_world", no_world)
    monkeypatch.setattr(performing, "tell", tell)
    ending = Ending()

    await performing.perform(tmp_path, ending, keep=False, customers=5000, suppliers=500, invoices=300)

    assert ending.code == code
    assert ("All 1 claims are true." in capsys.readouterr().out) is (code == 0)


def test_whoever_interrupts_has_proven_nothing() -> None:
    assert Ending().code != 0


def a_row(code: str, email: str = "", **given: Any) -> dict[str, Any]:
    """A customer as the export gives it, with one contact."""
    return {
        "code": code,
        "name": f"{code} & SONS ",
        "is_active": True,
        "is_prohibited": False,
        "country": "FR",
        "default_address": "MAIN",
        "default_contact": "P1",
        "addresses": [
            {"code": "DEPOT", "emails": ["depot@x.test"], "city": "OTHER"},
            {"code": "MAIN", "emails": [email, " "], "city": "LYON"},
        ],
        "contacts": [a_contact()],
        **given,
    }


def a_contact(**given: Any) -> dict[str, Any]:
    names = {"first_name": "Ada", "last_name": " "}
    return {"code": "P1", "email": " ", "relationship_email": " ", "is_prohibited": False, **names, **given}


@pytest.mark.parametrize(
    ("slot", "address"),
    [
        ("Ada@X.test", "ada@x.test"),
        ("a@x.test ; b@x.test", "a@x.test"),
        ("spaces in@side.test", "in@side.test"),
        ("two@@signs.test", None),
        ("trailing@dot.", None),
        ("x" * 65 + "@x.test", None),
        (" ", None),
    ],
)
def test_the_oracle_reads_addresses_as_people_type_them(slot: str, address: str | None) -> None:
    assert address_of(a_row("C1", slot)) == address


def test_a_contact_serves_where_the_address_has_none() -> None:
    assert address_of(a_row("C1", "-", contacts=[a_contact(email="p@x.test")])) == "p@x.test"


def test_every_row_ends_in_one_place() -> None:
    rows = [
        a_row("C1", "same@x.test", is_active=False),
        a_row("C2", "same@x.test"),
        a_row("C3", "Same@x.test"),
        a_row("C4", "broken@"),
        a_row("C5"),
        a_row("C6", "no@x.test", is_prohibited=True),
    ]

    found = expect(rows)

    assert (found.rows, set(found.members), found.members["same@x.test"]["code"]) == (6, {"same@x.test"}, "C2")
    assert found.duplicates == {"C1", "C3"}
    assert {*found.refused, *found.silent, *found.prohibited} == {"C4", "C5", "C6"}
    assert (found.refused, found.silent) == (frozenset({"C4"}), frozenset({"C5"}))
    assert found.inactive == set()


def test_a_persons_prohibition_is_theirs_wherever_their_address_stands() -> None:
    person = a_contact(code="P2", relationship_email="a@x.test", is_prohibited=True)

    assert is_prohibited(a_row("C1", "a@x.test", contacts=[person]), "a@x.test")
    assert not is_prohibited(a_row("C1", "b@x.test", contacts=[person]), "b@x.test")
    assert is_prohibited(a_row("C1", "b@x.test", contacts=[a_contact(is_prohibited=True)]), "b@x.test")


def a_member(**fields: str) -> Member:
    return Member("subscribed", fields, (), 1)


def test_a_member_is_faithful_when_every_text_is_x3s() -> None:
    rows = [a_row("C1", "a@x.test"), a_row("C2", "b@x.test"), a_row("C3", "c@x.test")]
    truth = Truth(expect(rows), expect([]))
    said = {row["code"]: contents(row) for row in rows}
    said["C2"] = {**said["C2"], "LNAME": "of somebody else"}

    found = faithful(Audience({"a@x.test": a_member(**said["C1"]), "b@x.test": a_member(**said["C2"])}), truth)

    assert contents(rows[0]) == {"COMPANY": "C1 & SONS", "CITY": "LYON", "FNAME": "Ada", "LNAME": "", "X3CODE": "C1"}
    assert found == {"a@x.test"}


def test_what_changed_are_those_who_came_went_or_differ() -> None:
    before = Audience({"a": a_member(X="1"), "b": a_member(X="1"), "c": a_member(X="1")})
    after = Audience({"a": a_member(X="1"), "b": a_member(X="2"), "d": a_member(X="1")})

    assert after.changed_since(before) == {"b", "c", "d"}
    assert after.writes == 3
    assert before.changed_since(before) == set()


def a_document(number: str, **given: Any) -> dict[str, Any]:
    paid = {"company": "FR10", "currency": "EUR", "status": "posted", "category": "invoice", "reference": " "}
    return {"number": number, "customer": "C1", "including_tax": "120.5", **paid, **given}


def test_orders_are_a_companys_posted_invoices_less_what_was_taken_back() -> None:
    customers = [a_row("C1", "a@x.test"), a_row("C2"), a_row("C3", "c@x.test", is_prohibited=True)]
    memo = {"category": "creditMemo", "including_tax": "20", "reference": "I1"}
    documents = [
        a_document("I1"),
        a_document("M1", **memo),
        a_document("M2", **memo, status="notPosted"),
        a_document("I2", including_tax="0.07"),
        *(a_document(f"C{code}", customer=code) for code in ("C2", "C3", "C4")),
        a_document("X1", company="GB20"),
        a_document("X2", currency="GBP"),
        a_document("X3", category="proforma"),
        a_document("X4", status="notPosted"),
    ]

    found = expect_orders(documents, customers, "FR10", "EUR")

    assert {number: row["cents"] for number, row in found.items()} == {"I1": 10050, "I2": 7}
