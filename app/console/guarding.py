"""What every page sends along, and what a form must bring back."""

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

SESSION_COOKIE = "mlc_session"
VISITOR_COOKIE = "mlc_visitor"

# Everything comes from here, nothing is written into a page: neither script nor style.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def came_from_here(request: Request, public_url: str) -> bool:
    """Whether a form was sent by a page of ours, as far as the browser says."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("origin")
    ours = (request.headers.get("host", ""), urlsplit(public_url).netloc)  # a proxy may have changed the former
    return origin is None or urlsplit(origin).netloc in ours


def same(given: object, wanted: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())


def new_visitor() -> str:
    return secrets.token_urlsafe(16)


def visitor_token(operator_key: str, visitor: str) -> str:
    """What the sign-in form must bring back: nobody else can make it for this browser's cookie."""
    return hmac.digest(operator_key.encode(), b"console sign-in " + visitor.encode(), "sha256").hex()


def set_cookie(response: Response, request: Request, name: str, value: str, path: str, *, secure: bool) -> None:
    """Until the browser closes; its true end is kept on our side."""
    secure = secure or request.url.scheme == "https"
    response.set_cookie(name, value, path=path, secure=secure, httponly=True, samesite="strict")
