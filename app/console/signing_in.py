"""Sign in with a key, sign out."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.console.calling import Api, Refused
from app.console.desk import ROOT, Desk, address
from app.console.guarding import (
    SESSION_COOKIE,
    VISITOR_COOKIE,
    came_from_here,
    new_visitor,
    same,
    set_cookie,
    visitor_token,
)
from app.console.routing import Pages, guarded
from app.console.templating import ASSETS, render

pages = Pages("")
_LONGEST_KEY = 512


async def show(request: Request) -> Response:
    """The form, with a mark that only this browser can bring back."""
    return _form(request, 200, said=request.query_params.get("said", ""))


def _form(request: Request, status: int, *, problem: str = "", said: str = "") -> Response:
    console = request.app.state.console
    visitor = request.cookies.get(VISITOR_COOKIE) or new_visitor()
    context = {
        "root": ROOT,
        "assets": ASSETS,
        "token": visitor_token(console.operator_key, visitor),
        "next": _next(request.query_params.get("next", "")),
        "sentence": problem,
        "said": said,
    }
    response = HTMLResponse(render("sign_in.html", context), status)
    set_cookie(response, request, VISITOR_COOKIE, visitor, f"{ROOT}/sign-in", secure=console.is_secure)
    return response


def _next(path: str) -> str:
    """A page of ours to go on with; nothing else."""
    fits = path.startswith(f"{ROOT}/") and path.isascii() and path.isprintable()
    return path if fits and not set(path) & set("\\?#%") and "//" not in path and "/." not in path else ""


async def sign_in(request: Request) -> Response:
    """A good key begins a session. Whoever tries too often waits a minute, good key or not."""
    console = request.app.state.console
    form = await request.form()
    visitor = request.cookies.get(VISITOR_COOKIE, "")
    if not came_from_here(request, console.public_url) or not same(
        form.get("csrf"), visitor_token(console.operator_key, visitor)
    ):
        return _form(request, 403, problem="This form is no longer valid; try again.")
    who = request.client.host if request.client else ""
    if not await console.tries.allow(who):
        response = _form(request, 429, problem="Too many tries from this address; wait a minute.")
        response.headers["Retry-After"] = "60"
        return response
    key = str(form.get("key", "")).strip()
    try:
        caller = await _caller(request, key)
    except Refused as refused:
        wrong = refused.status == 401
        return _form(
            request, refused.status, problem="This key is not known, or no longer valid." if wrong else refused.detail
        )
    await console.tries.forget(who)
    await console.sessions.end(request.cookies.get(SESSION_COOKIE, ""))
    token = await console.sessions.begin(key, caller["role"], caller["tenant_id"])
    response = RedirectResponse(_next(request.query_params.get("next", "")) or f"{ROOT}/", 303)
    set_cookie(response, request, SESSION_COOKIE, token, ROOT, secure=console.is_secure)
    return response


async def _caller(request: Request, key: str) -> dict[str, str]:
    if not key or len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refused(401, {})
    found: dict[str, str] = await Api(request.app.state.console.client, key, request.state.request_id).get("/v1/caller")
    return found


@pages.post("/sign-out")
async def sign_out(desk: Desk) -> Response:
    """At once, in this browser and wherever else the token may have got to."""
    await desk.request.app.state.console.sessions.end(desk.request.cookies.get(SESSION_COOKIE, ""))
    response = RedirectResponse(address(f"{ROOT}/sign-in", {"said": "out"}), 303)
    response.delete_cookie(SESSION_COOKIE, path=ROOT)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


routes = [
    Route(f"{ROOT}/sign-in", guarded(show, f"{ROOT}/sign-in"), methods=["GET"]),
    Route(f"{ROOT}/sign-in", guarded(sign_in, f"{ROOT}/sign-in"), methods=["POST"]),
]
