"""What a handler is given: the call, and the means to answer it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from sandbox.faults import Fault
from sandbox.http import Answer, json_answer
from sandbox.mailchimp import projection
from sandbox.mailchimp.problems import not_found
from sandbox.mailchimp.rendering import Renderer
from sandbox.mailchimp.spec import Operation
from sandbox.mailchimp.state import Account, Audience, MailchimpState, User


class Call(msgspec.Struct):
    """One checked request of one user."""

    state: MailchimpState
    account: Account
    user: User
    operation: Operation
    arguments: tuple[str, ...]
    query: dict[str, str]
    body: Any
    renderers: dict[str, Renderer]
    raw_body: bytes = b""
    fault: Fault | None = None
    base_url: str = ""

    def audience(self) -> Audience:
        """The audience the path names. Raises Problem 404."""
        found = self.account.audiences.get(self.arguments[0])
        if found is None:
            raise not_found()
        return found

    def renderer(self, audience: Audience) -> Renderer:
        known = self.renderers.get(audience.id)
        if known is None or known.audience is not audience:
            known = self.renderers[audience.id] = Renderer(audience, self.state.settings)
        return known

    def flag(self, name: str) -> bool:
        return self.query.get(name) in ("true", "1")

    def page(self, items: list[Any]) -> list[Any]:
        """The window `count` and `offset` ask for: 10 from the start, unless told."""
        offset = int(self.query.get("offset", "0"))
        return items[offset : offset + int(self.query.get("count", "10"))]

    def answer(self, value: Any, status: int = 200) -> Answer:
        """`value`, reduced to the fields that were asked for."""
        return json_answer(status, self.projected(value))

    def projected(self, value: Any) -> Any:
        if "fields" in self.query:
            return projection.keep(value, self.wanted())
        if "exclude_fields" in self.query:
            tree = projection.parse(self.query["exclude_fields"])
            projection.check_names(tree, self.operation.answer_schema, "exclude_fields")
            return projection.drop(value, tree)
        return value

    def wanted(self) -> projection.Tree:
        """The tree of `fields`, checked; empty when everything is wanted."""
        tree = projection.parse(self.query.get("fields", ""))
        projection.check_names(tree, self.operation.answer_schema, "fields")
        return tree


Handler = Callable[[Call], "Answer | Awaitable[Answer]"]
Handlers = dict[str, Handler]
NO_CONTENT = Answer(204, b"", "application/json; charset=utf-8")
