"""An alert channel's form becomes the API's body, and comes back as it was."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import TypeAdapter

from app.api.schemas.alert_channels import AlertChannelCreate, AlertChannelUpdate
from app.console.alert_forms import EVENTS, HINTS, change, creation, shown, typed
from app.domain.alerting import KINDS

CREATE: TypeAdapter[Any] = TypeAdapter(AlertChannelCreate)


class Filled:
    """A form that somebody filled in."""

    def __init__(self, values: Mapping[str, str], chosen: Mapping[str, Sequence[str]] = {}) -> None:
        self.values, self.lists = values, {"events": list(KINDS), **chosen}

    def given(self, name: str) -> str:
        return self.values.get(name, "")

    def chosen(self, name: str) -> Sequence[str]:
        return self.lists.get(name, ())


WEBHOOK = {"name": "On call", "url": "https://ops.acme.test/hook", "thresholds.rejected_percent": "2.5", "enabled": "1"}
MAIL = {
    "name": "Team", "recipients": "a@acme.test\nb@acme.test, c@acme.test", "smtp.host": "mail.acme.test",
    "smtp.port": "587", "smtp.security": "starttls", "smtp.username": "mlc", "smtp.password": "secret",
    "smtp.from_address": "mlc@acme.test", "thresholds.freshness_minutes": "90",
}  # fmt: skip


def test_a_webhook() -> None:
    form = Filled(WEBHOOK, {"events": ["run.failed"], "sync_ids": ["5c5a2f6e-8d2c-4c1e-9a53-0f0e8c7f3c11"]})

    body = CREATE.validate_python(creation("webhook", form.given, form.chosen))

    assert (body.url, body.events, body.thresholds.rejected_percent) == (WEBHOOK["url"], ["run.failed"], 2.5)
    assert (len(body.sync_ids), body.enabled, body.tls_ca_pem) == (1, True, None)


def test_e_mail_by_a_server_of_ones_own() -> None:
    form = Filled(MAIL)

    body = CREATE.validate_python(creation("email", form.given, form.chosen))

    assert body.recipients == ["a@acme.test", "b@acme.test", "c@acme.test"]
    assert (body.smtp.host, body.smtp.port, body.smtp.security) == ("mail.acme.test", 587, "starttls")
    assert (body.thresholds.freshness_minutes, body.enabled) == (90, False)


def test_without_a_host_the_operators_server_is_used_even_when_a_choice_stands_there() -> None:
    form = Filled({**MAIL, "smtp.host": ""})

    assert creation("email", form.given, form.chosen)["smtp"] is None


@pytest.mark.parametrize("text", ["often", "1e5", "-1", "NaN", "5" * 5000])
def test_what_is_no_number_is_left_to_the_api(text: str) -> None:
    form = Filled({**WEBHOOK, "thresholds.freshness_factor": text})

    assert change("webhook", form.given, form.chosen)["thresholds"]["freshness_factor"] == text


def test_what_is_stored_comes_back_whole() -> None:
    channel = {
        "name": "Team", "url": None, "recipients": ["a@acme.test"], "events": ["run.failed"], "sync_ids": None,
        "smtp": {"host": "mail.acme.test", "port": 465, "security": "tls", "username": None,
                 "from_address": "m@a.test"},
        "thresholds": {"rejected_percent": 5.0, "freshness_factor": 3.0, "freshness_minutes": None,
                       "credential_days": 5},
        "tls_ca_pem": None, "enabled": False,
    }  # fmt: skip
    form = shown(channel)
    flat = {name: form[name] for name in ("name", "url", "recipients", "tls_ca_pem")}
    flat |= {f"smtp.{name}": str(value) for name, value in form["smtp"].items()}
    flat |= {f"thresholds.{name}": "" if v is None else str(v) for name, v in form["thresholds"].items()}
    again = Filled(flat, {"events": form["events"], "sync_ids": form["sync_ids"]})

    body = AlertChannelUpdate.model_validate(change("email", again.given, again.chosen))

    assert body.recipients == ["a@acme.test"]
    assert body.smtp is not None
    assert (body.smtp.host, body.smtp.port, body.smtp.username, body.smtp.password) == (
        "mail.acme.test",
        465,
        None,
        None,
    )
    assert body.thresholds is not None
    assert body.thresholds.model_dump() == channel["thresholds"]
    assert (body.events, body.sync_ids, body.enabled) == (["run.failed"], None, False)


def test_a_password_is_not_given_back() -> None:
    form = Filled(MAIL)

    assert "secret" not in str(typed(form.given, form.chosen))


def test_every_kind_of_alert_is_offered_and_explained() -> None:
    assert [kind for kind, _ in EVENTS] == list(KINDS)
    assert set(HINTS) == set(KINDS)
