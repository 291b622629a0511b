"""Every page's frame: the session before it, its form checked, what went wrong on a page of its own."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from redis.exceptions import RedisError
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.console.calling import Api, Refused
from app.console.desk import ROOT, Desk, address, title_of
from app.console.guarding import HEADERS, SESSION_COOKIE, came_from_here, same
from app.console.sessions import Session
from app.console.templating import ASSETS, render

log = structlog.get_logger(__name__)

Handler = Callable[[Desk], Awaitable[Response]]
OpenHandler = Callable[[Request], Awaitable[Response]]
_MOST_FIELDS = 4000
MISTAKE = "This is a mistake on our side. Nothing is lost; whoever runs the service finds it under the number {}."
NO_SESSIONS = "Sign-ins are kept in Valkey, which does not answer now. The API and the runs go on; try again shortly."


class Pages:
    """The pages of one noun."""

    def __init__(self, prefix: str = "/t/{tenant_id:uuid}") -> None:
        self._prefix = ROOT + prefix
        self.routes: list[Route] = []

    def get(self, path: str) -> Callable[[Handler], Handler]:
        return self._add(path, "GET")

    def post(self, path: str) -> Callable[[Handler], Handler]:
        return self._add(path, "POST")

    def _add(self, path: str, method: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.routes.append(Route(self._prefix + path, framed(handler, self._prefix + path), methods=[method]))
            return handler

        return register


def framed(handler: Handler, path: str) -> OpenHandler:
    """The handler behind a session; `path` is the template of its address."""

    async def endpoint(request: Request) -> Response:
        session = await _session(request)
        if session is None:
            return _to_sign_in(request)
        form = await request.form(max_fields=_MOST_FIELDS) if request.method == "POST" else FormData()
        desk = Desk(request, session, _api(request, session), form)
        if request.method == "POST" and not _is_ours(request, session, form):
            log.warning("console.form_refused", route=path)
            problem = {
                "detail": "This form is no longer valid. Go back, load the page again and repeat.",
                "code": "csrf",
            }
            return await refusal(desk, Refused(403, problem))
        try:
            return await handler(desk)
        except Refused as problem:
            if problem.status == 401:
                return await _ended(request)
            return await refusal(desk, problem)

    return guarded(endpoint, path)


def guarded(handler: OpenHandler, path: str) -> OpenHandler:
    """The handler, its answer with the headers of every page, and a sentence when sessions cannot be looked at.

    Log lines and metrics name `path`, the template: what stands in an address is nobody's business."""

    async def endpoint(request: Request) -> Response:
        request.state.route = path
        try:
            response = await handler(request)
        except (RedisError, OSError) as error:
            log.error("console.no_sessions", error=type(error).__name__)
            response = alone("Not available now", NO_SESSIONS, 503)
        except Exception as error:  # the edge, for people: it must not be a page of JSON
            log.exception("console.failed", error=type(error).__name__, route=path)
            response = alone("Something went wrong", MISTAKE.format(request.state.request_id), 500)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return endpoint


def _is_ours(request: Request, session: Session, form: FormData) -> bool:
    """Whether a form comes from a page of this session."""
    here = came_from_here(request, request.app.state.console.public_url)
    return here and same(form.get("csrf"), session.csrf)


async def _session(request: Request) -> Session | None:
    token = request.cookies.get(SESSION_COOKIE, "")
    found: Session | None = await request.app.state.console.sessions.find(token) if token else None
    return found


def _api(request: Request, session: Session) -> Api:
    return Api(request.app.state.console.client, session.key, str(getattr(request.state, "request_id", "")))


def _to_sign_in(request: Request, said: str = "") -> Response:
    if request.headers.get("x-fragment") == "1" or "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401)
    next_ = request.url.path if request.method == "GET" and request.url.path != f"{ROOT}/" else ""
    return RedirectResponse(address(f"{ROOT}/sign-in", {"next": next_, "said": said}), 303)


async def _ended(request: Request) -> Response:
    """The key does not work any more: neither does the session."""
    await request.app.state.console.sessions.end(request.cookies.get(SESSION_COOKIE, ""))
    return _to_sign_in(request, "ended")


async def refusal(desk: Desk, problem: Refused) -> Response:
    """A page that says what went wrong, around it what there is to go on with."""
    context: dict[str, Any] = {"problem": problem, "title": title_of(problem), "again": _again(desk, problem)}
    if desk.is_fragment:
        return HTMLResponse(render("fragment_problem.html", context), problem.status)
    try:
        return await desk.page("problem.html", problem.status, **context)
    except Refused:  # not even the tenant is to be seen
        return alone(context["title"], problem.detail, problem.status)


def _again(desk: Desk, problem: Refused) -> str:
    """Where the same page may come later; nothing after a form, and when it never will."""
    url = desk.request.url
    passes = problem.status in (409, 429) or problem.status >= 500
    return f"{url.path}?{url.query}" if desk.request.method == "GET" and passes else ""


def alone(title: str, sentence: str, status: int) -> Response:
    """A page without a session."""
    context = {"root": ROOT, "assets": ASSETS, "title": title, "sentence": sentence}
    return HTMLResponse(render("alone.html", context), status)
