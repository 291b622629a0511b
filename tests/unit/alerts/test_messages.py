"""What people read: one line, no surprises, as JSON and as mail."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.alerts import messages
from app.alerts.letters import letter
from app.alerts.sealing import Secrets, SigningSecret, rotated
from app.domain import alert_sentences as say
from app.domain.alerting import KINDS

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
ONE, TWO = UUID(int=1), UUID(int=2)


def a_row(**given: Any) -> dict[str, Any]:
    row = {"tenant_id": ONE, "id": TWO, "kind": "run.failed", "name": "customers", "sync_id": ONE}
    return {**row, "connection_id": None, "run_id": None, **given}


def a_message(**given: Any) -> dict[str, Any]:
    return messages.about("https://c.acme.test/", a_row(**given), "opened", "It failed.", AT)


def test_a_message_of_a_connection_names_the_connection() -> None:
    data = a_message(kind="credential.expiring", sync_id=None, connection_id=TWO)["data"]

    assert (data["connection_name"], data["sync_name"], data["sync_id"]) == ("customers", None, None)
    assert set(data["links"]) == {"alert", "connection"}
    assert data["links"]["connection"] == f"https://c.acme.test/v1/tenants/{ONE}/connections/{TWO}"


def test_instants_are_utc_with_milliseconds() -> None:
    assert a_message()["timestamp"] == "2026-01-02T03:04:05.678Z"


def test_a_digest_counts_all_shows_some_and_stays_small() -> None:
    sentence = "x" * 430
    many = [{**a_message(), "data": {**a_message()["data"], "sentence": sentence}} for _ in range(75)]
    many[0]["data"]["state"] = "resolved"

    whole = messages.digest(many, AT)

    assert whole["type"] == "alerts.digest"
    assert (whole["data"]["opened"], whole["data"]["resolved"], whole["data"]["left_out"]) == (74, 1, 50)
    assert len(whole["data"]["items"]) == 25
    assert len(msgspec.json.encode(whole)) < 20_480


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["opened", "resolved"])
def test_every_kind_can_be_mailed(kind: str, state: str) -> None:
    message = a_message(kind=kind)
    message["data"]["state"] = state

    mail = letter("msg_1", message, "alerts@acme.test", ["a@b.test", "c@d.test"], AT)

    assert mail["Subject"].startswith("[ml-connector] Resolved: " if state == "resolved" else "[ml-connector] ")
    assert (mail["From"], mail["To"]) == ("alerts@acme.test", "a@b.test, c@d.test")
    assert mail["Message-ID"] == "<msg_1@acme.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "It failed." in mail.get_content()


def test_names_of_people_and_line_breaks_do_no_harm() -> None:
    mail = letter("msg_1", a_message(name="clients\r\nBcc: x@y.test é"), "alerts@acme.test", ["a@b.test"], AT)

    raw = mail.as_bytes()
    assert b"\r\nBcc" not in raw
    assert mail["Subject"] == "[ml-connector] Run failed: clients Bcc: x@y.test é"


def test_digest_and_test_can_be_mailed() -> None:
    digest = letter("msg_1", messages.digest([a_message()] * 40, AT), "a@b.test", ["a@b.test"], AT)
    test = letter("msg_1", messages.test(ONE, TWO, "on call", AT), "a@b.test", ["a@b.test"], AT)

    assert digest["Subject"] == "[ml-connector] 40 alerts opened, 0 resolved"
    assert "and 15 more" in digest.get_content()
    assert 'alert channel "on call"' in test.get_content()


@pytest.mark.parametrize(
    ("period", "expected"),
    [(15, "every 15 minutes"), (1, "every minute"), (60, "every hour"), (120, "every 2 hours"), (1440, "every day")],
)
def test_periods_are_said_as_people_say_them(period: int, expected: str) -> None:
    assert expected in say.stale("s", AT, timedelta(minutes=period))


def test_reasons_are_kept_to_one_line_of_bearable_length() -> None:
    sentence = say.failed("s", "a\n b\t" + "c" * 1000)

    assert "a b c" in sentence
    assert len(sentence) < 450


def test_of_all_secrets_the_current_one_signs_and_the_one_before_it_for_a_while() -> None:
    first = Secrets(signing=(SigningSecret("one"),))
    second = rotated(first, "two", AT, AT + timedelta(hours=1))
    third = rotated(second, "three", AT, AT + timedelta(hours=2))

    assert second.signs_at(AT) == ["two", "one"]
    assert second.signs_at(AT + timedelta(hours=1)) == ["two"]
    assert third.signs_at(AT) == ["three", "two"]
    assert rotated(first, "two", AT, AT).signs_at(AT - timedelta(days=1)) == ["two"]
