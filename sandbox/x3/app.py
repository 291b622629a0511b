"""The Sage X3 server: which part answers which path, and its control endpoints."""

from typing import Any

import httpx
import msgspec

from sandbox.control import Control, change, ndjson
from sandbox.http import Answer, Request, SandboxApp, json_answer
from sandbox.x3.auth import check_xtrem
from sandbox.x3.editing import PartyPatch, delete_party, upsert_party
from sandbox.x3.export import export
from sandbox.x3.gateway import Gateway
from sandbox.x3.graphql import GraphQL
from sandbox.x3.invoicing import InvoicePatch, delete_invoice, upsert_invoice
from sandbox.x3.rest import Rest
from sandbox.x3.state import X3State


def x3_app(state: X3State, *, in_process: bool = True, http: httpx.AsyncClient | None = None) -> SandboxApp:
    """The ASGI application of one X3; `http` carries the gateway's own calls (JSON callbacks)."""
    server = X3Server(state, http)
    app = SandboxApp(server.answer, server.control.answer, state.faults, in_process=in_process)
    app.date = state.date_header
    return app


class X3Server:
    """Routes requests to GraphQL, gateway, REST and control."""

    def __init__(self, state: X3State, http: httpx.AsyncClient | None = None) -> None:
        self.state = state
        self.graphql = GraphQL(state)
        self.rest = Rest(state)
        self.gateway = Gateway(state, self.graphql, http)
        self.control = Control(state.faults)
        for name, stream in (("customers", "customers"), ("suppliers", "suppliers")):
            self.control.add("POST", name, self._upsert(stream))
            self.control.add("DELETE", name, self._delete(stream))
        add = self.control.add
        add("POST", "invoices", self._invoices)
        add("DELETE", "invoices", self._delete_invoice)
        add("GET", "export", lambda request, _: ndjson(list(export(state.folder, request.params()["stream"]))))
        add("GET", "stats", lambda _request, _body: json_answer(200, self.stats()))
        add("GET", "settings", lambda _request, _body: json_answer(200, state.settings))
        add("PATCH", "settings", self._settings)
        add("POST", "tokens", lambda _request, _body: json_answer(200, self.gateway.issue()))
        add("POST", "revoke", self._revoke)
        add("POST", "approve", self._approve)
        add("GET", "pairings", lambda _request, _body: json_answer(200, list(self.gateway.pairings.values())))

    async def answer(self, request: Request) -> Answer:
        path = request.path
        if path.startswith("/v1"):
            return await self.gateway.answer(request)
        if path.rstrip("/") == "/xtrem/api":
            refused = check_xtrem(self.state, request)
            if refused is not None:
                self.state.requests["unauthorised"] += 1
                return refused
            endpoint = request.header(b"x-xtrem-endpoint")
            if endpoint and endpoint != self.state.settings.endpoint:
                return json_answer(404, {"message": f"Endpoint {endpoint} not found"})
            return self.graphql.answer(request)
        if path.startswith("/api1/"):
            return self.rest.answer(request)
        if path.startswith("/sdata/"):
            self.state.requests["licence tokens taken"] += 1
            return self.rest.answer(request)
        return json_answer(404, {"message": "Not found"})

    def stats(self) -> dict[str, Any]:
        folder = self.state.folder
        tables = {
            "customers": len(folder.customers), "suppliers": len(folder.suppliers), "invoices": len(folder.invoices),
            "products": len(folder.products), "persons": len(folder.persons),
        }  # fmt: skip
        return {"requests": dict(self.state.requests), "rows": tables}

    def _upsert(self, stream: str) -> Any:
        def action(_request: Request, body: Any) -> Answer:
            patches = msgspec.convert(body if isinstance(body, list) else [body], list[PartyPatch])
            for patch in patches:
                upsert_party(self.state, stream, patch)
            return json_answer(200, {"changed": len(patches), "at": int(self.state.now())})

        return action

    def _delete(self, stream: str) -> Any:
        def action(request: Request, _body: Any) -> Answer:
            delete_party(self.state, stream, request.params()["code"])
            return Answer(204)

        return action

    def _invoices(self, _request: Request, body: Any) -> Answer:
        patches = msgspec.convert(body if isinstance(body, list) else [body], list[InvoicePatch])
        for patch in patches:
            upsert_invoice(self.state, patch)
        return json_answer(200, {"changed": len(patches), "at": int(self.state.now())})

    def _delete_invoice(self, request: Request, _body: Any) -> Answer:
        delete_invoice(self.state, request.params()["number"])
        return Answer(204)

    def _settings(self, _request: Request, body: Any) -> Answer:
        change(self.state.settings, body)
        return json_answer(200, self.state.settings)

    def _revoke(self, _request: Request, _body: Any) -> Answer:
        self.gateway.revoke()
        return Answer(204)

    async def _approve(self, _request: Request, body: Any) -> Answer:
        waiting = [pairing for pairing in self.gateway.pairings.values() if pairing.code and not pairing.approved]
        if body.get("expire"):
            for pairing in waiting:
                pairing.expired = True
            return json_answer(200, {"expired": len(waiting)})
        if not waiting:
            raise ValueError("no pairing request waits for approval")
        return await self.gateway.approve(waiting[-1])
