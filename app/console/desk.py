"""What a page is made with: who asks, the API with their key, the form they sent, the answer in the end."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.console.calling import Api, Passage, Refused
from app.console.sessions import Session
from app.console.templating import ASSETS, render

ROOT = "/console"


class Desk:
    """One request of somebody who is signed in. `form` is empty for a GET."""

    def __init__(self, request: Request, session: Session, api: Api, form: FormData) -> None:
        self.request = request
        self.session = session
        self.api = api
        self.form = form
        self._tenant: dict[str, Any] | None = None

    @cached_property
    def tenant_id(self) -> str:
        return str(self.request.path_params["tenant_id"])

    @property
    def is_in_tenant(self) -> bool:
        return "tenant_id" in self.request.path_params

    @property
    def at(self) -> str:
        """Where the API has this tenant."""
        return f"/v1/tenants/{self.tenant_id}"

    @property
    def home(self) -> str:
        """Where the console has this tenant."""
        return self.home_of(self.tenant_id)

    @staticmethod
    def home_of(tenant_id: str) -> str:
        """Where the console has a tenant."""
        return f"{ROOT}/t/{tenant_id}"

    def id(self, name: str = "id") -> str:
        """An id of the page's address."""
        return str(self.request.path_params[name])

    def asked(self, name: str, default: str = "") -> str:
        """A value of the query, without blanks around it."""
        return self.request.query_params.get(name, default).strip()

    def given(self, name: str, default: str = "") -> str:
        """A text of the form, without blanks around it."""
        value = self.form.get(name, default)
        return value.strip() if isinstance(value, str) else default

    def chosen(self, name: str) -> list[str]:
        """All values of a name of the form."""
        return [value.strip() for value in self.form.getlist(name) if isinstance(value, str)]

    @property
    def once(self) -> str:
        """The mark of the form that was sent."""
        return self.given("once")

    @property
    def is_fragment(self) -> bool:
        """Whether a script asks for a part of the page."""
        return self.request.headers.get("x-fragment") == "1"

    async def tenant(self) -> dict[str, Any]:
        if self._tenant is None:
            self._tenant = await self.api.get(self.at)
        return self._tenant

    async def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """The page, with what every page shows around it."""
        tenant = await self.tenant() if self.is_in_tenant else None
        around = {
            "root": ROOT,
            "assets": ASSETS,
            "session": self.session,
            "tenant": tenant,
            "home": self.home if tenant else ROOT,
            "zone": ZoneInfo(tenant["time_zone"]) if tenant else ZoneInfo("UTC"),
            "path": self.request.url.path,
            "said": self.asked("said"),
            "problem": None,
        }
        return HTMLResponse(render(template, around | context), status)

    def go(self, path: str, **query: str) -> Response:
        """On to another page of this tenant, after something was done."""
        return RedirectResponse(address(f"{self.home if self.is_in_tenant else ROOT}{path}", query), 303)

    def pass_on(self, path: str, *extra: tuple[str, str]) -> Response:
        """What the API answers to a GET, as it comes."""
        key, request_id = self.session.key, str(self.request.state.request_id)
        return Passage(self.request.app, path, key, request_id, extra)


def address(path: str, query: Mapping[str, str]) -> str:
    """A path with what is said in the query; empty values are left out."""
    said = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{said}" if said else path


def title_of(problem: Refused) -> str:
    """A page's title for a problem."""
    titles = {403: "Not allowed", 404: "Not found", 409: "Not possible now", 429: "Too many requests"}
    return titles.get(problem.status, "Not available now" if problem.status >= 500 else "Not possible")
