"""The cloud gateway: pairing, tokens that live minutes and rotate, folders, and GraphQL behind them."""

import secrets
from html import escape
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec

from sandbox.http import Answer, Request, json_answer
from sandbox.login import asking, redirect
from sandbox.x3.auth import is_signed, opened, sign
from sandbox.x3.graphql import GraphQL
from sandbox.x3.state import X3State


class Pairing(msgspec.Struct):
    """One approval: its code, until used, and the refresh token that is alive."""

    code: str
    redirect_uri: str
    state: str
    scope: str
    approved: bool = False
    used: bool = False
    refresh_id: str = ""
    subject: str = ""
    expired: bool = False


class Gateway:
    """Everything under `/v1`."""

    def __init__(self, state: X3State, graphql: GraphQL, http: httpx.AsyncClient | None = None) -> None:
        self.state = state
        self.graphql = graphql
        self.pairings: dict[str, Pairing] = {}
        self.earliest_issue = 0.0
        self.http = http

    async def answer(self, request: Request) -> Answer:
        path = request.path.rstrip("/")
        if path == "/v1" and request.method == "GET":
            return json_answer(200, {"$urls": {"customerUsage.folder": f"{self.root(request)}/folders"}})
        if path == "/v1/token/authorise" and request.method == "GET":
            return await self.authorise(request)
        if path == "/v1/token/authorise" and request.method == "POST":
            return await self.decided(request)
        if path == "/v1/token" and request.method == "POST":
            return self.token(request)
        if path == "/v1/token" and request.method == "DELETE":
            return self.delete(request)
        if path == "/v1/folders" and request.method == "GET":
            return self.folders(request)
        if path.startswith("/v1/service/"):
            return self.service(request, path)
        return json_answer(404, {"message": "Not found"})

    def root(self, request: Request) -> str:
        return f"{request.scheme}://{request.host}/v1"

    async def authorise(self, request: Request) -> Answer:
        """The approving user's page. This user says yes at once, or when the control endpoint tells them."""
        params = request.params()
        settings = self.state.settings
        if not all(params.get(name) for name in ("client_id", "customer", "redirect_uri", "state")):
            return json_answer(400, {"message": "Missing required request parameters"})
        if params["client_id"] != settings.client_id:
            return json_answer(404, {"message": "Could not associate the client id with an application"})
        code = secrets.token_urlsafe(24)
        scope = params.get("scope", "")
        if "businessDomain" not in scope and "user." not in scope:
            scope = f"{scope} businessDomain.ALL".strip()
        folders = " ".join(f"folder.{name}" for name in settings.cloud_folders)
        pairing = Pairing(
            code, params["redirect_uri"], params["state"], f"{scope} {folders}", subject=secrets.token_hex(8)
        )
        self.pairings[code] = pairing
        if settings.approval == "later":
            return Answer(200, b"<p>Your request waits for approval.</p>", "text/html; charset=utf-8")
        if settings.approval == "ask":
            return asking("Sage X3", f"{params['client_id']} wants to read Sage X3.", {"code": code})
        return await self.approve(pairing)

    async def decided(self, request: Request) -> Answer:
        """The buttons of the page: the waiting pairing is approved, or the browser goes back without a code."""
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        pairing = self.pairings.get(form.get("code", ""))
        if pairing is None or pairing.approved:
            return json_answer(404, {"message": "No such request"})
        if form.get("answer") == "allow":
            return await self.approve(pairing)
        del self.pairings[pairing.code]
        return redirect(pairing.redirect_uri, {"error": "access_denied", "state": pairing.state})

    def callback_fields(self, pairing: Pairing) -> dict[str, str]:
        fields = {"authorizationCode": pairing.code, "state": pairing.state}
        if self.state.settings.customer_endpoint:
            fields["endpoint"] = self.state.settings.customer_endpoint
        return fields

    async def approve(self, pairing: Pairing) -> Answer:
        """Say yes: bring the code to the redirect URL in the configured way (the vendor's is unknown, 2.1)."""
        pairing.approved = True
        fields = self.callback_fields(pairing)
        match self.state.settings.callback:
            case "get":
                return redirect(pairing.redirect_uri, fields)
            case "post_json":
                await self.post_json(pairing.redirect_uri, fields)
                return Answer(200, b"<p>Paired.</p>", "text/html; charset=utf-8")
        inputs = "".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items()
        )
        form = f'<form method="post" action="{escape(pairing.redirect_uri)}">{inputs}<button>Continue</button></form>'
        script = "<script>document.forms[0].submit()</script>"
        return Answer(200, f"<!DOCTYPE html><body>{form}{script}".encode(), "text/html; charset=utf-8")

    async def post_json(self, url: str, fields: dict[str, str]) -> None:
        if self.http is not None:
            await self.http.post(url, json=fields)
            return
        async with httpx.AsyncClient(timeout=10) as client:
            await client.post(url, json=fields)

    def token(self, request: Request) -> Answer:
        """Both grants, JSON body only. The error bodies are those of the reference, 2.1."""
        try:
            body = msgspec.json.decode(request.body, type=dict[str, Any])
        except (msgspec.ValidationError, msgspec.DecodeError):
            return json_answer(400, {"message": "Missing required request parameters"})
        grant = body.get("grant_type")
        if grant not in ("authorization_code", "refresh_token"):
            return json_answer(400, {"message": "Invalid grant type"})
        needed = (
            "client_id",
            "client_secret",
            *(("code", "redirect_uri") if grant == "authorization_code" else ("refresh_token",)),
        )
        if not all(isinstance(body.get(name), str) and body[name] for name in needed):
            return json_answer(400, {"message": "Missing required request parameters"})
        settings = self.state.settings
        if body["client_id"] != settings.client_id or body["client_secret"] != settings.client_secret:
            return json_answer(404, {"message": "Could not associate the client id with an application"})
        self.state.requests[f"token.{grant}"] += 1
        return self.exchange(body) if grant == "authorization_code" else self.refresh(body["refresh_token"])

    def exchange(self, body: dict[str, str]) -> Answer:
        pairing = self.pairings.get(body["code"])
        if pairing is None or pairing.used:
            return json_answer(403, {"message": "Pairing request not found"})
        if pairing.expired:
            return json_answer(403, {"message": "The request has expired."})
        if not pairing.approved:
            return json_answer(403, {"message": "The pairing request has not been accepted."})
        if pairing.redirect_uri != body["redirect_uri"]:
            return json_answer(404, {"message": "Could not associate the redirect URI with an application"})
        pairing.used = True
        return json_answer(200, self.pair(pairing))

    def refresh(self, token: str) -> Answer:
        """A new pair for a living refresh token, which dies of it."""
        pairing = self.of_refresh_token(token)
        if pairing is None:
            return json_answer(403, {"message": "Pairing request not found"})
        return json_answer(200, self.pair(pairing))

    def of_refresh_token(self, token: str) -> Pairing | None:
        found = opened(token)
        if found is None or not is_signed(found[1], found[2], self.signing_key):
            return None
        claims = found[0]
        if claims.get("exp", 0) <= self.state.now():
            return None
        return next((p for p in self.pairings.values() if p.refresh_id and p.refresh_id == claims.get("jti")), None)

    def delete(self, request: Request) -> Answer:
        params = request.params()
        body = msgspec.json.decode(request.body) if request.body else params
        pairing = self.of_refresh_token(str(body.get("refresh_token", "")))
        if pairing is None:
            return json_answer(403, {"message": "Pairing request not found"})
        pairing.refresh_id = ""
        return Answer(204)

    @property
    def signing_key(self) -> str:
        return "gateway-" + self.state.settings.client_secret

    def pair(self, pairing: Pairing) -> dict[str, Any]:
        """A new access and refresh token; the refresh token given before is dead from now on."""
        settings, now = self.state.settings, int(self.state.now())
        host = f"api.{settings.region}-sagex3.com"
        shared = {"iss": host, "aud": host, "iat": now, "region": settings.region, "sub": pairing.subject,
                  "azp": settings.client_id, "scopes": pairing.scope}  # fmt: skip
        pairing.refresh_id = secrets.token_hex(12)
        access = shared | {"exp": now + settings.access_token_seconds, "nonce": secrets.token_hex(4)}
        refresh = shared | {"exp": now + settings.refresh_token_seconds, "jti": pairing.refresh_id}
        return {
            "access_token": sign(access, self.signing_key), "refresh_token": sign(refresh, self.signing_key),
            "scope": pairing.scope, "token_type": "Bearer", "expires_in": settings.access_token_seconds,
        }  # fmt: skip

    def issue(self) -> dict[str, Any]:
        """A pair without the browser: for tests and for tenants who bring their tokens."""
        pairing = Pairing(
            secrets.token_hex(8), "", "", "api.graphQL businessDomain.ALL", True, True, subject=secrets.token_hex(8)
        )
        self.pairings[pairing.code] = pairing
        return self.pair(pairing)

    def revoke(self) -> None:
        """The customer deletes the application's tokens: nothing issued so far works any more."""
        for pairing in self.pairings.values():
            pairing.refresh_id = ""
            pairing.subject = ""

    def bearer(self, request: Request) -> bool:
        """Is the bearer token a living access token of this gateway?"""
        kind, _, value = request.header(b"authorization").partition(" ")
        found = opened(value.strip()) if kind.lower() == "bearer" else None
        if found is None or not is_signed(found[1], found[2], self.signing_key) or "jti" in found[0]:
            return False
        alive = any(p.subject and p.subject == found[0].get("sub") for p in self.pairings.values())
        return alive and bool(found[0].get("exp", 0) > self.state.now())

    def folders(self, request: Request) -> Answer:
        if not self.bearer(request):
            return json_answer(401, {"message": "Unauthorised"})
        root = self.root(request)
        folders = [
            {
                "name": name,
                "$urls": {
                    "dataIngestion": f"{root}/dataIngestion/X3CLOUDV2_{name}",
                    "dataDelivery": f"{root}/dataDelivery/X3CLOUDV2_{name}",
                    "dataService": f"{root}/service/X3CLOUDV2_{name}/{'api' if position % 2 == 0 else 'graphQL'}",
                },
            }
            for position, name in enumerate(self.state.settings.cloud_folders)
        ]
        return json_answer(200, {"folders": folders})

    def service(self, request: Request, path: str) -> Answer:
        if not self.bearer(request):
            return json_answer(401, {"message": "Unauthorised"})
        names = {
            f"/v1/service/X3CLOUDV2_{name}/{end}"
            for name in self.state.settings.cloud_folders
            for end in ("api", "graphQL")
        }
        if path not in names:
            return json_answer(404, {"message": "Not found"})
        return self.graphql.answer(request)
