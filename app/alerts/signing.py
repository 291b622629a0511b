"""Signatures of the Standard Webhooks specification 1.0: HMAC-SHA256 over id, time and body.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme".
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
_BYTES = 32  # the specification wants 24 to 64


def new_secret() -> str:
    """`whsec_` and 32 random bytes in base64: what the receiver is given, once."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def headers(message_id: str, timestamp: int, body: bytes, signed_by: Iterable[str]) -> dict[str, str]:
    """The three headers of one attempt, `timestamp` in seconds since 1970. With several secrets (rotation) there are
    several signatures, any of which proves it. `message_id` holds no full stop and stays the same over all attempts.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(message_id, timestamp, body, secret) for secret in signed_by),
    }


def _signature(message_id: str, timestamp: int, body: bytes, secret: str) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()


def _key(secret: str) -> bytes:
    """Raises ValueError for what is no secret."""
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a signing secret is whsec_ and base64") from None
