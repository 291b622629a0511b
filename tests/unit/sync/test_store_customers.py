"""Whom a store may be told of."""

from typing import Any

import pytest

from app.domain.member import Member, subscriber_hash
from app.domain.planning import ARCHIVED_BY_US, UNKNOWN, UNSUBSCRIBED_BY_US, Action, Decision, Known, Outcome
from app.sync.store_customers import may_be_told, people

EMAIL = "ada@acme.test"
MEMBER = Member("C1", "C1", EMAIL, subscriber_hash(EMAIL), True, False, {}, {}, (), (), None)


def a_decision(**given: Any) -> Decision:
    values: dict[str, Any] = {
        "key": "C1",
        "code": "C1",
        "action": Action.NONE,
        "outcome": Outcome.UNCHANGED,
        "reason": None,
        "is_active": True,
        "member": MEMBER,
        "known": UNKNOWN,
        **given,
    }
    return Decision(**values)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, True),
        ({"outcome": Outcome.CREATED, "action": Action.INSERT}, True),
        ({"outcome": Outcome.UPDATED, "action": Action.MOVE}, True),
        ({"outcome": Outcome.REJECTED}, False),
        ({"member": None}, False),
        ({"outcome": Outcome.SKIPPED, "reason": "mailing_prohibited"}, False),
        ({"outcome": Outcome.SKIPPED, "reason": "opted_out"}, False),
        ({"outcome": Outcome.SKIPPED, "reason": "forgotten"}, False),
        ({"outcome": Outcome.SKIPPED, "reason": "filtered", "action": Action.FLAG}, False),
        ({"outcome": Outcome.UPDATED, "action": Action.ARCHIVE}, False),
        ({"outcome": Outcome.UPDATED, "action": Action.UNSUBSCRIBE}, False),
        ({"flags": ARCHIVED_BY_US}, False),
        ({"flags": UNSUBSCRIBED_BY_US}, False),
        ({"outcome": Outcome.SKIPPED, "reason": "duplicate_email", "known": Known(status="transactional")}, True),
        ({"outcome": Outcome.SKIPPED, "reason": "duplicate_email", "known": Known(status="unsubscribed")}, False),
        ({"outcome": Outcome.SKIPPED, "reason": "duplicate_email"}, False),
    ],
)
def test_a_store_is_told_of_members_and_of_nobody_who_is_closed_to_us(given: dict[str, Any], told: bool) -> None:
    assert may_be_told(a_decision(**given)) is told


def test_a_company_is_one_customer_and_its_own_address_comes_first() -> None:
    contacts = [a_decision(key="C1/P1"), a_decision(key="C1"), a_decision(key="C1/P2")]
    others = [a_decision(key="C2/P1", code="C2", outcome=Outcome.REJECTED), a_decision(key="C2/P2", code="C2")]

    chosen = people([*contacts, *others])

    assert {code: decision.key for code, decision in chosen.items()} == {"C1": "C1", "C2": "C2/P2"}
