"""Proof that a webhook came from the vendor: HMAC-SHA256 of Mailchimp, HMAC-SHA1 of Mandrill.

Sources: Marketing API, "Sync audience data with webhooks" (X-Mailchimp-Signature); Transactional API, "Authenticating
webhook requests" (X-Mandrill-Signature).
"""

import base64
import hmac
from collections.abc import Iterable

TOLERANCE_SECONDS = 300
TEST_KEY = "test-webhook"
"""What Mandrill signs with while a webhook is being made and has no key yet."""


def is_from_mailchimp(header: str | None, secret: str, body: bytes, now: float) -> bool:
    """Whether `header` (`t=<unix seconds>,v1=<hex>`; unknown parts are passed over, several v1 are allowed) signs
    exactly these bytes, not longer ago than 300 s by `now` (seconds since 1970)."""
    parts = [part.strip().partition("=") for part in (header or "")[:1000].split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value.lower().encode() for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not _is_instant(times[0]) or abs(now - int(times[0])) > TOLERANCE_SECONDS:
        return False
    expected = hmac.new(secret.encode(), f"{times[0]}.".encode() + body, "sha256").hexdigest().encode()
    fits = [hmac.compare_digest(expected, signature) for signature in given]  # all of them: no early end
    return any(fits)


def _is_instant(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 13


def is_from_mandrill(header: str | None, key: str, url: str, form: Iterable[tuple[str, str]]) -> bool:
    """Whether `header` (base64) signs the URL as it was registered and the decoded form values."""
    return hmac.compare_digest(mandrill_signature(key, url, form), (header or "").strip().encode())


def mandrill_signature(key: str, url: str, form: Iterable[tuple[str, str]]) -> bytes:
    """Base64 of HMAC-SHA1 over the URL, then name and value of each field in the order of names, no separators."""
    message = url + "".join(name + value for name, value in sorted(form))
    return base64.b64encode(hmac.digest(key.encode(), message.encode(), "sha1"))
