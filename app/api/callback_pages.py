"""How a callback is answered: one sentence on a plain page for people, JSON or a problem document for machines."""

import hashlib
from base64 import b64encode
from html import escape

from fastapi import Request
from fastapi.responses import Response

from app.api.answers import answer
from app.api.problems import Problem, TooManyRequests, respond
from app.api.schemas.oauth import SignInPublic
from app.connections.signing_in import Kind, Outcome

_STYLE = (
    "body{margin:12vh auto;max-width:34rem;padding:0 1.25rem;font:1rem/1.5 system-ui,sans-serif;color:#1d2129;"
    "background:#f7f7f5}@media(prefers-color-scheme:dark){body{color:#e8e9ec;background:#14161a}}"
)
_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Nothing is loaded, run, framed or sent anywhere from this page; its address holds what is left of a sign-in.
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>{style}</style></head>
<body><main><h1>{title}</h1><p>{sentence}</p>
<p>You can close this page; the one you came from shows how it goes on.</p></main></body>
</html>
"""
_TITLES: dict[Kind, str] = {
    "connected": "Connected",
    "attention": "Signed in, but not connected yet",
    "waiting": "Waiting for approval",
    "declined": "Declined",
}
_STATUS: dict[Kind, int] = {"connected": 200, "attention": 200, "waiting": 202, "declined": 403, "refused": 409}


def page(request: Request, outcome: Outcome) -> Response:
    """The answer in the form that the caller prefers."""
    status = _STATUS.get(outcome.kind, 400)
    if wants_html(request.headers.get("accept", "")):
        return _html(_TITLES.get(outcome.kind, "Not connected"), outcome.sentence, status)
    if status < 400:
        response = answer(SignInPublic(status=outcome.kind, detail=outcome.sentence), status)
    else:
        problem = Problem(outcome.sentence, code=f"oauth_{outcome.kind}")
        problem.status = status
        response = respond(problem)
    response.headers.update(_HEADERS)
    return response


def told_to_wait(request: Request, problem: TooManyRequests) -> Response:
    """The answer to a callback that comes too often, in the form that the caller prefers."""
    if wants_html(request.headers.get("accept", "")):
        response = _html("Too many tries", problem.detail, problem.status)
    else:
        response = respond(problem)
    response.headers.update({**_HEADERS, **problem.headers})
    return response


def _html(title: str, sentence: str, status: int) -> Response:
    body = _PAGE.format(style=_STYLE, title=escape(title), sentence=escape(sentence))
    return Response(body, status, _HEADERS, "text/html; charset=utf-8")


def wants_html(accept: str) -> bool:
    """Whether a page is preferred to JSON; who accepts anything gets JSON."""
    html = max(_weight(accept, "text/html"), _weight(accept, "application/xhtml+xml"))
    return html > 0 and html >= max(_weight(accept, "application/json"), _weight(accept, "application/problem+json"))


def _weight(accept: str, wanted: str) -> float:
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if media == wanted:
            told = next((each[2:] for each in parameters if each.startswith("q=")), "1")
            try:
                return min(1.0, max(0.0, float(told)))
            except ValueError:
                return 0.0
    return 0.0
