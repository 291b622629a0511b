"""What a sync does about parties that X3 marks inactive."""

from typing import Any, Literal

import msgspec

from app.domain.parsing import parse_tag, parse_target
from app.domain.shape import Node
from app.domain.values import TEXT_BYTES

InactiveAction = Literal["none", "tag", "merge_field", "archive", "unsubscribe"]
_ACTIONS: dict[str, tuple[str, ...]] = {
    "none": (),
    "tag": ("tag",),
    "merge_field": ("field", "value", "active_value"),
    "archive": (),
    "unsubscribe": (),
}
# Two syncs often share an audience, one for each stream: their marks differ, or each would undo the other's.
_TAGS = {"suppliers": "x3-supplier-inactive"}
_FIELDS = {"suppliers": "X3SUPSTAT"}


class InactivePolicy(msgspec.Struct, frozen=True):
    """`tag` and `merge_field` become part of the member itself; the planner carries out archive and unsubscribe."""

    action: InactiveAction = "none"
    tag: str = ""
    field: str = ""
    value: str = ""
    active_value: str = ""

    @property
    def mark(self) -> str | None:
        """What tells members of inactive parties from others, None when nothing does. Mailchimp's tags know no case."""
        return {"tag": self.tag.casefold(), "merge_field": self.field}.get(self.action)

    def document(self) -> dict[str, Any]:
        return {"action": self.action, **{name: getattr(self, name) for name in _ACTIONS[self.action]}}


def parse_inactive(raw: object, pointer: str = "/inactive", *, stream: str = "customers") -> InactivePolicy:
    """`{"action": ...}` with the properties of that action; None and omitted properties get the defaults:
    tag `x3-inactive` (suppliers: `x3-supplier-inactive`), field X3STATUS (X3SUPSTAT) with `inactive` and `active`.

    Raises:
        InvalidDefinition: unknown action, a property of another action, a tag or field Mailchimp would refuse.
    """
    node = Node({"action": "tag"} if raw is None else raw, pointer)
    node.object(("action", "tag", "field", "value", "active_value"), ("action",))
    action = node.get("action").choice(_ACTIONS)
    foreign = ("tag", "field", "value", "active_value")
    for name in foreign:
        if name not in _ACTIONS[action] and node.get(name).value is not None:
            raise node.get(name).fail(f"Does not belong to the action {action}.")
    if action == "tag":
        return InactivePolicy("tag", tag=parse_tag(_or(node, "tag", _TAGS.get(stream, "x3-inactive"))))
    if action == "merge_field":
        return InactivePolicy(
            "merge_field",
            field=parse_target(_or(node, "field", _FIELDS.get(stream, "X3STATUS"))),
            value=_or(node, "value", "inactive").text(TEXT_BYTES),
            active_value=_or(node, "active_value", "active").text(TEXT_BYTES, least=0),
        )
    return InactivePolicy(action)  # type: ignore[arg-type]  # one of the five


def _or(node: Node, name: str, default: str) -> Node:
    given = node.get(name)
    return given if given.value is not None else Node(default, given.pointer)
