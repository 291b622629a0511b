"""How a callback is answered: one sentence on a plain page for people, JSON or a problem document for machines."""

from html import escape

from fastapi import Request
from fastapi.responses import Response

from app.api.answers import answer
from app.api.problems import Problem, respond
from app.api.schemas.oauth import SignInPublic
from app.connections.signing_in import Kind, Outcome

# Nothing is loaded, run, framed or sent anywhere from this page; its address holds what is left of a sign-in.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title></head>
<body><h1>{title}</h1><p>{sentence}</p></body>
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
        title = _TITLES.get(outcome.kind, "Not connected")
        body = _PAGE.format(title=escape(title), sentence=escape(outcome.sentence))
        return Response(body, status, _HEADERS, "text/html; charset=utf-8")
    if status < 400:
        response = answer(SignInPublic(status=outcome.kind, detail=outcome.sentence), status)
    else:
        problem = Problem(outcome.sentence, code=f"oauth_{outcome.kind}")
        problem.status = status
        response = respond(problem)
    response.headers.update(_HEADERS)
    return response


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
