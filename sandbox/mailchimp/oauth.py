"""The login host: authorization code, token and metadata, with an owner who agrees, unless told or asked otherwise."""

import secrets
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from sandbox import login
from sandbox.http import Answer, Request, json_answer
from sandbox.mailchimp.state import MailchimpState


class Grant(msgspec.Struct):
    """An authorization code that has not been used."""

    client_id: str
    redirect_uri: str
    account: int


class LoginHost:
    """`/oauth2/authorize`, `/oauth2/token` and `/oauth2/metadata` (reference, 1.3)."""

    def __init__(self, state: MailchimpState) -> None:
        self.state = state
        self.codes: dict[str, Grant] = {}

    def answer(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET" | "POST", "/oauth2/authorize":
                return self.authorize(request)
            case "POST", "/oauth2/token":
                return self.token(request)
            case "GET", "/oauth2/metadata":
                return self.metadata(request)
        return json_answer(404, {"error": "not_found"})

    def authorize(self, request: Request) -> Answer:
        params, settings = request.params(), self.state.settings
        redirect = params.get("redirect_uri", "")
        if params.get("response_type") != "code" or params.get("client_id") != settings.client_id or not redirect:
            return json_answer(400, {"error": "invalid_request"})
        if settings.redirect_uris and redirect not in settings.redirect_uris:
            return json_answer(400, {"error": "invalid_request", "error_description": "redirect_uri does not match"})
        answer = dict(parse_qsl(request.body.decode("utf-8", "replace"))).get("answer")
        if settings.owner_is_asked and request.method == "GET":
            return login.asking("Mailchimp", f"{settings.client_id} wants to use this account.", {})
        fields = {"state": params["state"]} if "state" in params else {}
        if settings.owner_refuses or answer == "deny":
            fields["error"] = "access_denied"
        else:
            code = secrets.token_hex(16)
            self.codes[code] = Grant(settings.client_id, redirect, int(params.get("account", "1")) - 1)
            fields["code"] = code
        return login.redirect(redirect, fields)

    def token(self, request: Request) -> Answer:
        """Form body only; a code works once."""
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        settings = self.state.settings
        if not request.header(b"content-type").startswith("application/x-www-form-urlencoded"):
            return json_answer(400, {"error": "invalid_request"})
        if form.get("grant_type") != "authorization_code":
            return json_answer(400, {"error": "unsupported_grant_type"})
        if form.get("client_id") != settings.client_id or form.get("client_secret") != settings.client_secret:
            return json_answer(401, {"error": "invalid_client"})
        grant = self.codes.pop(form.get("code", ""), None)
        if grant is None or grant.redirect_uri != form.get("redirect_uri"):
            return json_answer(400, {"error": "invalid_grant"})
        token = secrets.token_hex(16)
        account = self.state.accounts[min(grant.account, len(self.state.accounts) - 1)]
        self.state.grant(account, account.users[0], token)
        return json_answer(200, {"access_token": token, "expires_in": 0, "scope": None})

    def metadata(self, request: Request) -> Answer:
        """The header's word is OAuth, not Bearer; `api_endpoint` is this very server."""
        kind, _, value = request.header(b"authorization").partition(" ")
        known = self.state.keys.get(value.strip()) if kind == "OAuth" else None
        if known is None:
            return json_answer(401, {"error": "invalid_token"})
        account, user = known
        base = f"{request.scheme}://{request.host}"
        login: dict[str, Any] = {
            "email": user.email, "avatar": None, "login_id": user.login_id, "login_name": user.email,
            "login_email": user.email,
        }  # fmt: skip
        return json_answer(
            200,
            {
                "dc": self.state.settings.data_centre, "role": user.role, "accountname": account.name,
                "user_id": account.id, "login": login, "login_url": base, "api_endpoint": base,
            },
        )  # fmt: skip
