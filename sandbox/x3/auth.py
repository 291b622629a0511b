"""Who may call: self-signed JWTs of a connected application, HTTP Basic, and tokens of the cloud gateway."""

import base64
import binascii
import hashlib
import hmac
from typing import Any

import msgspec

from sandbox.http import Answer, Request
from sandbox.x3.state import X3State


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(claims: dict[str, Any], secret: str) -> str:
    """A compact HS256 JWT."""
    head = b64(b'{"alg":"HS256","typ":"JWT"}')
    text = f"{head}.{b64(msgspec.json.encode(claims))}"
    return f"{text}.{b64(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}"


def opened(token: str) -> tuple[dict[str, Any], str, bytes] | None:
    """Claims, signed text and signature of an HS256 token, unverified; None when it is no such thing."""
    try:
        head, body, signature = token.split(".")
        header, claims = msgspec.json.decode(unb64(head)), msgspec.json.decode(unb64(body))
        if header.get("alg") != "HS256" or not isinstance(claims, dict):
            return None
        return claims, f"{head}.{body}", unb64(signature)
    except (ValueError, binascii.Error, AttributeError):
        return None


def is_signed(text: str, signature: bytes, secret: str) -> bool:
    return hmac.compare_digest(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest(), signature)


def invalid_token(number: int) -> Answer:
    """HTTP 401 with the plain text X3 Services answers (reference, 2.2)."""
    return Answer(401, f"Error {number}: Invalid token".encode(), "text/plain; charset=utf-8")


def check_xtrem(state: X3State, request: Request) -> Answer | None:
    """Check a call of `/xtrem/api`; None when it may pass.

    21 `iat` in the future, 41 unknown `iss`, 42 wrong `sub`, 45 wrong `aud`, 50 bad signature, expired, or living
    longer than the application allows.
    """
    authorization = request.header(b"authorization")
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "basic" and state.settings.basic_on_graphql:
        return check_basic(state, request)
    if kind.lower() != "bearer":
        return Answer(401, b"Unauthorized", "text/plain; charset=utf-8")
    token = opened(value.strip())
    if token is None:
        return invalid_token(50)
    number = _fault_of(state, request, *token)
    return None if number is None else invalid_token(number)


def _fault_of(state: X3State, request: Request, claims: dict[str, Any], text: str, signature: bytes) -> int | None:
    settings, now = state.settings, state.now()
    issued, expires = claims.get("iat"), claims.get("exp")
    if claims.get("iss") != settings.client_id:
        return 41
    if not is_signed(text, signature, settings.client_secret):
        return 50
    if not isinstance(issued, int) or not isinstance(expires, int):
        return 50
    if issued > now + 1:
        return 21
    if expires <= now or expires - issued > settings.token_validity_seconds:
        return 50
    subject = claims.get("sub")
    allowed = (settings.username, *settings.allowed_users)
    if subject not in allowed and (subject is not None or settings.require_subject):
        return 42
    wanted = settings.audience
    if wanted is None:
        wanted = f"{request.scheme}://{request.host}{request.path}"
    audience = claims.get("aud", "")
    if audience != wanted and not (audience == "" and settings.accept_empty_audience):
        return 45
    return None


def check_basic(state: X3State, request: Request) -> Answer | None:
    """Check HTTP Basic; None when it may pass."""
    kind, _, value = request.header(b"authorization").partition(" ")
    try:
        given = base64.b64decode(value.strip(), validate=True).decode() if kind.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        given = ""
    if hmac.compare_digest(given.encode(), f"{state.settings.username}:{state.settings.password}".encode()):
        return None
    challenge = ((b"www-authenticate", b'Basic realm="Syracuse"'),)
    return Answer(401, b"Unauthorized", "text/plain; charset=utf-8", challenge)
