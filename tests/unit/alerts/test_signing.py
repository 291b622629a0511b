"""Signatures are those of the Standard Webhooks specification."""

import base64

import pytest

from app.alerts.signing import headers, new_secret

# The vector that the specification's reference libraries share.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_vector_of_the_reference_libraries() -> None:
    assert headers(MESSAGE, AT, BODY, [SECRET]) == {
        "webhook-id": MESSAGE,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_the_prefix_is_no_part_of_the_key() -> None:
    assert headers(MESSAGE, AT, BODY, [SECRET.removeprefix("whsec_")])["webhook-signature"] == SIGNATURE


def test_while_a_secret_is_replaced_both_sign() -> None:
    new = new_secret()

    first, second = headers(MESSAGE, AT, BODY, [new, SECRET])["webhook-signature"].split(" ")

    assert second == SIGNATURE
    assert first.startswith("v1,")
    assert first != second


@pytest.mark.parametrize(
    ("message", "at", "body"),
    [("msg_other", AT, BODY), (MESSAGE, AT + 1, BODY), (MESSAGE, AT, BODY + b" ")],
)
def test_id_time_and_body_are_signed(message: str, at: int, body: bytes) -> None:
    assert headers(message, at, body, [SECRET])["webhook-signature"] != SIGNATURE


def test_a_new_secret_is_32_random_bytes() -> None:
    one, two = new_secret(), new_secret()

    assert one != two
    assert len(base64.b64decode(one.removeprefix("whsec_"), validate=True)) == 32


def test_what_is_no_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        headers(MESSAGE, AT, BODY, ["whsec_not base64"])
