"""The Mailchimp server: authorise, hold against the specification, hand to the handler, answer."""

import asyncio
import base64
import binascii
import inspect
import time
from typing import Any

import httpx

from sandbox.http import Answer, Request, SandboxApp
from sandbox.mailchimp import audience_parts, bulk, interests, lists, members, orders, stores
from sandbox.mailchimp.batches import Batch, BatchDesk
from sandbox.mailchimp.calls import Call, Handlers
from sandbox.mailchimp.control import mailchimp_control
from sandbox.mailchimp.oauth import LoginHost
from sandbox.mailchimp.problems import Problem, key_invalid, not_found, too_many
from sandbox.mailchimp.rendering import Renderer
from sandbox.mailchimp.spec import Specification
from sandbox.mailchimp.state import Account, MailchimpState, User
from sandbox.mailchimp.webhooks import WebhookDesk

WRITES_BULK = "postListsId"


def mailchimp_app(
    state: MailchimpState, *, in_process: bool = True, http: httpx.AsyncClient | None = None
) -> SandboxApp:
    """The ASGI application of one Mailchimp; `http` carries its webhooks."""
    server = MailchimpServer(state, http)
    control = mailchimp_control(state, server.webhooks)
    app = SandboxApp(server.answer, control.answer, state.faults, in_process=in_process)
    app.enter, app.leave = server.enter, server.leave
    app.on_shutdown = server.webhooks.close
    return app


class MailchimpServer:
    """Routes requests to handlers by operation id."""

    def __init__(self, state: MailchimpState, http: httpx.AsyncClient | None = None) -> None:
        self.state = state
        self.http = http
        self.specification = Specification()
        self.renderers: dict[str, Renderer] = {}
        self.webhooks = WebhookDesk(state, http)
        self.batches = BatchDesk(state, self.call, self.batch_finished)
        self.login_host = LoginHost(state)
        self.handlers: Handlers = {
            WRITES_BULK: bulk.post_list, **lists.HANDLERS, **members.HANDLERS, **audience_parts.HANDLERS,
            **stores.HANDLERS,
            **orders.HANDLERS, **interests.HANDLERS, **self.batches.handlers, **self.webhooks.handlers,
        }  # fmt: skip

    def credential(self, request: Request) -> tuple[Account, User] | None:
        """Who calls: a key or token as Basic password or as Bearer."""
        kind, _, value = request.header(b"authorization").partition(" ")
        if kind.lower() == "basic":
            try:
                value = base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return None
        elif kind.lower() != "bearer":
            return None
        return self.state.keys.get(value.strip())

    def enter(self, request: Request) -> Answer | None:
        """Take one of the user's ten connections; an answer when there is none left."""
        known = self.credential(request)
        if known is None:
            return None
        user = known[1]
        user.in_flight += 1
        user.max_in_flight = max(user.max_in_flight, user.in_flight)
        if user.in_flight > self.state.settings.connections and self.state.settings.enforce_connections:
            self.state.counters["too_many_connections"] += 1
            return too_many().answer()
        return None

    def leave(self, request: Request) -> None:
        known = self.credential(request)
        if known is not None and known[1].in_flight > 0:
            known[1].in_flight -= 1

    def batch_finished(self, account: Account, batch: Batch) -> None:
        self.webhooks.batch_finished(account, batch, self.batches.view(batch))

    async def answer(self, request: Request) -> Answer:
        if request.path.startswith("/oauth2/"):
            return self.login_host.answer(request)
        if request.path.startswith("/results/"):
            return self.batches.results(request)
        if not request.path.startswith("/3.0"):
            return not_found().answer()
        try:
            known = self.credential(request)
            if known is None:
                raise key_invalid()
            return await self.call(request, *known)
        except Problem as problem:
            self.state.requests[f"problem {problem.status}"] += 1
            return problem.answer()

    async def call(self, request: Request, account: Account, user: User) -> Answer:
        """Run one operation for a user. Raises Problem."""
        operation, arguments = self.specification.find(request.method, request.path.removeprefix("/3.0"))
        self.state.requests[operation.id] += 1
        query = self.specification.check_query(operation, request.query)
        body: Any = bulk.decode(request.body) if operation.id == WRITES_BULK else None
        if body is None:
            body = self.specification.check_body(operation, request.body)
            if operation.id == WRITES_BULK:
                raise Problem(400, "Invalid Resource", "The members could not be read.")
        call = Call(
            self.state, account, user, operation, arguments, query, body, self.renderers, request.body, request.fault,
            f"{request.scheme}://{request.host}",
        )  # fmt: skip
        made = self.handlers[operation.id](call)
        answer = await made if inspect.isawaitable(made) else made
        settings = self.state.settings
        delay = settings.call_latency_seconds
        if operation.id == WRITES_BULK:
            delay = settings.batch_latency_seconds + settings.member_latency_seconds * len(body.members)
        remaining = delay - (time.monotonic() - request.arrived)
        if remaining > 0 and request.arrived:
            await asyncio.sleep(remaining)
        return answer
