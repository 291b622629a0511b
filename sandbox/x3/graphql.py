"""The GraphQL endpoint: one JSON body in, data or errors out, over `/xtrem/api` and behind the gateway."""

from typing import Any

import msgspec

from sandbox.faults import Fault
from sandbox.http import Answer, Request, json_answer
from sandbox.x3.execute import Executor, Rejected
from sandbox.x3.nodes import Generation, build
from sandbox.x3.selections import Quirks
from sandbox.x3.state import X3State


class Body(msgspec.Struct):
    """The JSON body of a GraphQL request."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815 - the protocol's spelling


_DECODER = msgspec.json.Decoder(Body)
_GENERATIONS: tuple[Generation, ...] = ("x3", "xtremX3")


class GraphQL:
    """Executors of the generations this X3 speaks; a server speaks one, seldom both."""

    def __init__(self, state: X3State) -> None:
        self.state = state
        self._executors: dict[str, Executor] = {}

    def executor(self) -> Executor:
        name = self.state.settings.generations[0]
        known = self._executors.get(name)
        if known is None:
            generation = next(item for item in _GENERATIONS if item == name)
            known = Executor(build(self.state.folder, generation), self.state.settings)
            self._executors[name] = known
        return known

    def answer(self, request: Request) -> Answer:
        """Run the request's document. 400 for what cannot run, 200 for everything else, errors included."""
        if request.method != "POST":
            return json_answer(405, {"errors": [{"message": "Method not allowed"}]})
        try:
            body = _DECODER.decode(request.body)
        except (msgspec.ValidationError, msgspec.DecodeError) as wrong:
            return _bad(f"Invalid request body: {wrong}")
        try:
            result = self.executor().run(
                body.query, body.variables or {}, body.operationName, self.quirks(request.fault)
            )
        except Rejected as rejected:
            return _bad(*rejected.messages)
        self.state.requests["graphql"] += 1
        self.state.requests["rows"] += result.rows
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = result.errors
        sent = json_answer(200, answer)
        sent.delay_seconds = self.state.settings.page_latency_seconds
        return sent

    def quirks(self, fault: Fault | None) -> Quirks:
        quirks = Quirks(self.state.faults.refused_codes())
        if fault is not None:
            quirks.kind = fault.kind
            if fault.kind == "partial_data":
                quirks.denied_field = fault.codes[0] if fault.codes else "defaultContact"
        return quirks


def _bad(*messages: str) -> Answer:
    """The gateway's and X3 Services' answer to a document that cannot run (reference, 2.1)."""
    return json_answer(400, {"errors": [{"message": message} for message in messages], "extensions": {}})
