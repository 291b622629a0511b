"""The vectors of the reference, and everything near them that must not pass."""

import pytest

from app.connectors.mailchimp.signatures import TEST_KEY, is_from_mailchimp, is_from_mandrill, mandrill_signature

SECRET, AT = "test-signing-secret", 1718000000
BODY = (
    b"type=unsubscribe&fired_at=2026-01-02+03%3A04%3A05&data%5Baction%5D=unsub&data%5Bid%5D=8a25ff1d98"
    b"&data%5Blist_id%5D=a6b5da1054&data%5Bemail%5D=ada%40example.org"
)
DIGEST = "885c588d99e6a038b5b8596b2957155e8e543ba474f188282aae9cce941d8e0d"
GOOD = f"t={AT},v1={DIGEST}"

URL = "https://example.com/hooks/t1/s3cret"


@pytest.mark.parametrize(
    "header",
    [
        GOOD,
        f"t={AT}, v1={DIGEST}",
        f"t={AT},v1={'0' * 64},v1={DIGEST}",
        f"t={AT},v0=abc,v1={DIGEST},note=x",
        f"v1={DIGEST.upper()},t={AT}",
    ],
)
def test_mailchimps_vector_passes_with_whatever_else_the_header_holds(header: str) -> None:
    assert is_from_mailchimp(header, SECRET, BODY, AT)


@pytest.mark.parametrize("age", [-300, 300])
def test_a_signature_is_good_for_five_minutes(age: int) -> None:
    assert is_from_mailchimp(GOOD, SECRET, BODY, AT + age)
    assert not is_from_mailchimp(GOOD, SECRET, BODY, AT + age + (1 if age > 0 else -1))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        DIGEST,
        f"v1={DIGEST}",
        f"t={AT}",
        f"t={AT},v1=",
        f"t={AT},v1={DIGEST[:-1]}0",
        f"t={AT + 1},v1={DIGEST}",
        f"t={AT},t={AT},v1={DIGEST}",
        f"t=+{AT},v1={DIGEST}",
        f"t={AT}.0,v1={DIGEST}",
        f"t=١٧١٨٠٠٠٠٠٠,v1={DIGEST}",
        f"t={AT},v1=é" + "x" * 63,
        f"t={'9' * 5000},v1={DIGEST}",
    ],
)
def test_anything_else_is_refused(header: str | None) -> None:
    assert not is_from_mailchimp(header, SECRET, BODY, AT)


def test_one_changed_byte_or_another_secret_is_refused() -> None:
    assert not is_from_mailchimp(GOOD, SECRET, BODY + b"&", AT)
    assert not is_from_mailchimp(GOOD, SECRET + "x", BODY, AT)


@pytest.mark.parametrize(
    ("key", "form", "signature"),
    [
        (TEST_KEY, [("mandrill_events", "[]")], "YSywqBYWZcX02xDdQiWIVq+8HU8="),
        ("test-key", [("a", "1"), ("mandrill_events", '[{"event":"open"}]')], "YcOxBhLzBTAmz7IR4hhFXPctTjY="),
        ("test-key", [("mandrill_events", '[{"event":"open"}]'), ("a", "1")], "YcOxBhLzBTAmz7IR4hhFXPctTjY="),
    ],
)
def test_mandrills_vectors_pass_in_any_order_of_fields(key: str, form: list[tuple[str, str]], signature: str) -> None:
    assert mandrill_signature(key, URL, form) == signature.encode()
    assert is_from_mandrill(signature, key, URL, form)
    assert not is_from_mandrill(signature, key, URL + "/", form)
    assert not is_from_mandrill(signature, key + "x", URL, form)
    assert not is_from_mandrill(signature, key, URL, [*form, ("b", "")])
    assert not is_from_mandrill(None, key, URL, form)
    assert not is_from_mandrill("é" * 28, key, URL, form)
