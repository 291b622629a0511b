"""What MLC_SMTP_URL may be, and what is said when it is not."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.alerts.relays import Relay, operators_relay
from app.settings import Settings

FROM = "alerts@acme.test"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtps://a%40b:p%3Aw%2F@mail.acme.test", ("mail.acme.test", 465, "tls", FROM, "a@b", "p:w/")),
        ("smtp://u:p@mail.acme.test:2525", ("mail.acme.test", 2525, "starttls", FROM, "u", "p")),
        ("smtp+plain://10.0.0.5/", ("10.0.0.5", 25, "none", FROM, None, None)),
        ("smtps://[2001:db8::1]", ("2001:db8::1", 465, "tls", FROM, None, None)),
    ],
)
def test_an_address_is_read(url: str, expected: tuple[Any, ...]) -> None:
    assert operators_relay(url, FROM) == Relay(*expected, guarded=False)


def test_none_is_none() -> None:
    assert operators_relay("", "") is None


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("", FROM),
        ("smtps://mail.acme.test", ""),
        ("smtps://mail.acme.test", "nobody"),
        ("smtps://mail.acme.test", "Alerts <alerts@acme.test>"),
        ("smtps://mail.acme.test", "a@b\r\nBcc: c@d"),
        ("http://mail.acme.test", FROM),
        ("mail.acme.test:25", FROM),
        ("smtps://", FROM),
        ("smtps://mail.acme.test:port", FROM),
        ("smtps://u:geheim@mail.acme.test/path", FROM),
        ("smtps://u:geheim@mail.acme.test?tls=no", FROM),
    ],
)
def test_what_cannot_work_is_refused_without_the_password(url: str, sender: str) -> None:
    with pytest.raises(ValueError, match="MLC_SMTP_") as caught:
        operators_relay(url, sender)
    assert "geheim" not in str(caught.value)


def test_settings_say_at_the_start_what_is_wrong_and_never_the_password() -> None:
    needed = {"database_url": "x", "redis_url": "x", "operator_key": "k" * 24, "master_keys": "x"}

    with pytest.raises(ValidationError, match="MLC_SMTP_URL must be") as caught:
        Settings.model_validate({**needed, "smtp_url": "http://u:geheim@mail.acme.test", "smtp_from": FROM})
    assert "geheim" not in str(caught.value)
    good = Settings.model_validate({**needed, "smtp_url": "smtps://u:geheim@mail.acme.test", "smtp_from": FROM})
    assert "geheim" not in repr(good)
    assert good.mail_relay() == operators_relay("smtps://u:geheim@mail.acme.test", FROM)
