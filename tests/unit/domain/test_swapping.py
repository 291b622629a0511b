"""Records that come to each other's addresses: who waits, who takes what over, and whose refusal goes along."""

import hashlib
from collections.abc import Mapping

import msgspec
import pytest

from app.connectors.mailchimp.payloads import encode_fragment
from app.domain.deciding import decide_all
from app.domain.member import Member, Skip
from app.domain.member_rules import stay_out
from app.domain.planning import (
    ARCHIVED_BY_US,
    NO_RUN,
    REFUSED,
    UNSUBSCRIBED_BY_US,
    Action,
    Decision,
    Known,
    Outcome,
    Owner,
    Policy,
)

POLICY = Policy("subscribed", "tag")


def hash_of(email: str) -> bytes:
    return hashlib.md5(email.encode()).digest()


def member(key: str, email: str) -> Member:
    return Member(
        key=key,
        code=key,
        email=email,
        hash=hash_of(email),
        merge_fields={"COMPANY": key},
        fill_fields={},
        tags=(),
        tags_off=(),
        language=None,
        is_active=True,
        is_prohibited=False,
    )


def was(email: str, status: str | None = "subscribed", old: str | None = "subscribed", **given: object) -> Known:
    """A record that stood for `email`, whose status is `old`; that of the address it has now is `status`."""
    known: dict[str, object] = {"state": "synced", "member_hash": hash_of(email), "status": status, "old_status": old}
    return Known(**{**known, **given})  # type: ignore[arg-type]


def owned_by(key: str) -> Owner:
    return Owner(key, True, NO_RUN)


def decided(known: Mapping[str, Known], *members: Member | Skip, last_look: bool = False) -> dict[str, Decision]:
    return {d.key: d for d in decide_all(members, known, POLICY, encode_fragment, last_look=last_look)}


@pytest.mark.parametrize(("comer", "owner"), [("C1", "C2"), ("C2", "C1")], ids=["goes before", "comes after"])
def test_who_comes_to_the_address_of_a_record_elsewhere_waits_and_is_decided_by_the_last_look(
    comer: str, owner: str
) -> None:
    known = {comer: was("a@acme.test", owner=owned_by(owner))}

    first = decided(known, member(comer, "b@acme.test"))[comer]
    last = decided(known, member(comer, "b@acme.test"), last_look=True)[comer]

    assert (first.later, first.writes, first.remember) == (True, False, False)
    assert not last.later
    assert last.action is (Action.MERGE if comer < owner else Action.ARCHIVE)


def test_who_comes_to_an_address_that_is_nobodys_record_does_not_wait() -> None:
    decision = decided({"C1": was("a@acme.test")}, member("C1", "b@acme.test"))["C1"]

    assert (decision.later, decision.action) == (False, Action.MERGE)


def test_neighbours_who_swap_write_into_each_others_members_and_archive_nobody() -> None:
    known = {
        "C1": was("a@acme.test", owner=owned_by("C2")),
        "C2": was("b@acme.test", owner=owned_by("C1")),
    }

    found = decided(known, member("C1", "b@acme.test"), member("C2", "a@acme.test"))

    assert [(d.action, d.outcome, d.later) for d in found.values()] == [(Action.UPDATE, Outcome.UPDATED, False)] * 2
    assert {key: d.member_hash for key, d in found.items()} == {
        "C1": hash_of("b@acme.test"),
        "C2": hash_of("a@acme.test"),
    }


def test_who_stays_with_an_address_that_refused_takes_over_no_other_one() -> None:
    known = {
        "C1": was("a@acme.test", old="cleaned", old_shared=True, owner=owned_by("C2")),
        "C2": was("b@acme.test"),
    }

    found = decided(known, member("C1", "b@acme.test"), member("C2", "c@acme.test"))

    assert (found["C1"].reason, found["C1"].member_hash) == ("opted_out", hash_of("a@acme.test"))
    assert found["C2"].action is Action.MERGE  # so that the member at b, where nobody comes to, is archived


@pytest.mark.parametrize(("leaver", "other"), [("C1", "C2"), ("C2", "C1")])
def test_of_two_who_swap_the_refusal_of_one_closes_both_addresses(leaver: str, other: str) -> None:
    known = {
        leaver: was("a@acme.test", old="unsubscribed", owner=owned_by(other)),
        other: was("b@acme.test", status="unsubscribed", owner=owned_by(leaver)),
    }

    found = decided(known, member(leaver, "b@acme.test"), member(other, "a@acme.test"))

    assert (found[leaver].action, found[leaver].reason) == (Action.MERGE, "opted_out")  # which unsubscribes b
    assert (found[other].action, found[other].reason) == (Action.NONE, "opted_out")


def test_a_refusal_is_remembered_behind_another_owner_unless_we_had_archived_the_member() -> None:
    known = was("a@acme.test", old="unsubscribed", owner=owned_by("C1"))
    ours = was("a@acme.test", old="archived", owner=owned_by("C1"), flags=ARCHIVED_BY_US)

    assert decided({"C2": known}, member("C2", "b@acme.test"), last_look=True)["C2"].flags & REFUSED
    assert not decided({"C2": ours}, member("C2", "b@acme.test"), last_look=True)["C2"].flags & REFUSED


@pytest.mark.parametrize(
    ("status", "action", "flags"),
    [
        ("subscribed", Action.UNSUBSCRIBE, UNSUBSCRIBED_BY_US),
        ("transactional", Action.UNSUBSCRIBE, UNSUBSCRIBED_BY_US),
        ("unsubscribed", Action.NONE, 0),
        (None, Action.NONE, REFUSED),
    ],
)
@pytest.mark.parametrize("email", ["b@acme.test", "c@acme.test"], ids=["the shared address", "another one"])
def test_who_has_refused_is_never_written_to_until_the_address_itself_says_so(
    email: str, status: str | None, action: Action, flags: int
) -> None:
    known = was("b@acme.test", status, state="skipped", reason="duplicate_email", flags=REFUSED)

    decision = decided({"C2": known}, member("C2", email))["C2"]

    assert (decision.action, decision.outcome, decision.reason) == (action, Outcome.SKIPPED, "opted_out")
    assert decision.flags == flags
    assert action is Action.NONE or decision.known.member_hash == hash_of(email)  # which is whom the call is about


@pytest.mark.parametrize(("action", "expected"), [("archive", Action.MOVE), ("tag", Action.INSERT)])
def test_an_inactive_newcomer_whose_policy_takes_members_out_takes_none_over(action: str, expected: Action) -> None:
    """The one who leaves takes the member along; else it would stay behind, and nobody would stand for it."""
    newcomer = msgspec.structs.replace(member("C2", "a@acme.test"), is_active=False)
    known = {"C1": was("a@acme.test", status=None)}

    decisions = decide_all(
        [member("C1", "b@acme.test"), newcomer], known, Policy("subscribed", action), encode_fragment, last_look=False
    )

    assert decisions[0].action is expected


@pytest.mark.parametrize(("status", "expected"), [(None, Action.MOVE), ("subscribed", Action.MERGE)])
def test_a_newcomer_who_may_not_be_mailed_takes_no_member_over(status: str | None, expected: Action) -> None:
    newcomer = msgspec.structs.replace(member("C2", "a@acme.test"), is_prohibited=True)

    found = decided({"C1": was("a@acme.test", status)}, member("C1", "b@acme.test"), newcomer)

    assert found["C1"].action is expected  # which leaves nobody who may be mailed at the old address


@pytest.mark.parametrize(
    ("old", "action", "outcome"),
    [("subscribed", Action.ARCHIVE, Outcome.SKIPPED), ("unsubscribed", Action.MOVE, Outcome.SKIPPED)],
    ids=["an open member is archived", "another refusal may come there"],
)
def test_nobody_is_moved_to_an_address_that_had_refused(old: str, action: Action, outcome: Outcome) -> None:
    decision = decided({"C1": was("a@acme.test", status=None, old=old)}, member("C1", "b@acme.test"))["C1"]

    stay_out(decision)

    assert (decision.action, decision.outcome, decision.reason) == (action, outcome, "opted_out")
    assert decision.member_hash == hash_of("b@acme.test")


def test_nobody_is_made_at_an_address_that_had_refused() -> None:
    decision = decided({}, member("C1", "b@acme.test"))["C1"]
    assert decision.action is Action.INSERT

    stay_out(decision)

    assert (decision.action, decision.outcome, decision.reason) == (Action.NONE, Outcome.SKIPPED, "opted_out")


def test_nobody_is_brought_back_at_an_address_that_had_refused() -> None:
    known = was("b@acme.test", status=None, flags=ARCHIVED_BY_US)
    decision = decided({"C1": known}, member("C1", "b@acme.test"))["C1"]
    assert decision.action is Action.RESTORE

    stay_out(decision)

    assert (decision.action, decision.outcome, decision.reason) == (Action.NONE, Outcome.SKIPPED, "opted_out")
