"""What the control endpoints of both servers share: routing by name, JSON bodies, faults."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from sandbox.faults import Fault, Faults
from sandbox.http import Answer, Request, json_answer

Action = Callable[[Request, Any], "Answer | Awaitable[Answer]"]


class Control:
    """`/_sandbox/<name>` by method and name; a ValueError or KeyError in an action is a 400."""

    def __init__(self, faults: Faults) -> None:
        self.actions: dict[tuple[str, str], Action] = {}
        self.faults = faults
        self.add("GET", "faults", lambda _request, _body: json_answer(200, self.faults.active))
        self.add("POST", "faults", self._add_fault)
        self.add("DELETE", "faults", self._remove_faults)

    def add(self, method: str, name: str, action: Action) -> None:
        self.actions[method, name] = action

    async def answer(self, request: Request) -> Answer:
        name = request.path.removeprefix("/_sandbox").strip("/")
        action = self.actions.get((request.method, name))
        if action is None:
            known = sorted(f"{method} /_sandbox/{name}" for method, name in self.actions)
            return json_answer(404, {"error": "no such control endpoint", "known": known})
        try:
            body = msgspec.json.decode(request.body) if request.body else {}
            made = action(request, body)
            return await made if inspect.isawaitable(made) else made
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            return json_answer(400, {"error": f"{type(wrong).__name__}: {wrong}"})

    def _add_fault(self, _request: Request, body: Any) -> Answer:
        return json_answer(201, self.faults.add(msgspec.convert(body, Fault)))

    def _remove_faults(self, request: Request, _body: Any) -> Answer:
        given = request.params().get("id")
        self.faults.remove(int(given) if given else None)
        return Answer(204)


def ndjson(rows: list[Any]) -> Answer:
    """An answer with one JSON value a line."""
    return Answer(200, msgspec.json.Encoder().encode_lines(rows), "application/x-ndjson")


def change(target: msgspec.Struct, patch: Any) -> None:
    """Set the fields of a settings object that `patch` names; anything unknown or of the wrong type is a ValueError."""
    current = msgspec.structs.asdict(target)
    unknown = set(patch) - set(current)
    if unknown:
        raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
    checked = msgspec.convert(current | patch, type(target))
    for name in patch:
        setattr(target, name, getattr(checked, name))
