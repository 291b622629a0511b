"""A sync's rules as a form, and back: who may be added, what happens to the inactive, when to stop and ask."""

from collections.abc import Callable, Mapping
from typing import Any

from app.console import condition_forms as conditions
from app.console.calling import Refused
from app.domain.inactive import parse_inactive

Given = Callable[[str], str]
NEW_STATUSES = (
    (
        "transactional",
        "Non-subscribed",
        "They may get order mail, no campaigns. The careful choice when X3 does not know their consent.",
    ),
    ("subscribed", "Subscribed", "Only if you can prove that these people agreed to marketing."),
    ("pending", "Asked to confirm", "Mailchimp sends each of them a message; they are subscribed when they confirm."),
    ("unsubscribed", "Unsubscribed", "They are known, and never mailed."),
)
INACTIVE = (
    ("tag", "Tag them", "They stay as they are and carry a tag."),
    ("merge_field", "Mark them in a merge field", "The field says active or inactive."),
    ("archive", "Archive them", "Only those we added ourselves."),
    ("unsubscribe", "Unsubscribe them", "Nobody is re-subscribed when they become active again."),
    ("none", "Nothing", "They are carried like everybody else."),
)
_MARKS = (("tag", "tag"), ("field", "merge_field"))
_NUMBERS = ("max_new", "max_inactive_percent")
_DETAILS = ("tag", "field", "value", "active_value")


def rules(given: Given, types: Mapping[str, str]) -> dict[str, Any]:
    """Name, status, inactive policy, filter and brake as the API takes them. Raises Refused."""
    action = given("inactive")
    details = {"tag": ("tag",), "merge_field": ("field", "value", "active_value")}.get(action, ())
    inactive = {"action": action, **{name: given(f"inactive.{name}") for name in details if given(f"inactive.{name}")}}
    return {
        "name": given("name"),
        "new_member_status": given("new_member_status"),
        "inactive": inactive,
        "filter": _filter(given, types),
        "brake": {name: _number(given(f"brake.{name}")) for name in _NUMBERS},
    }


def _filter(given: Given, types: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        return conditions.condition(_row(given), types)
    except conditions.BadCondition:
        raise Refused(422, {"detail": "The filter must be a JSON object.", "code": "not_json"}) from None


def _number(text: str) -> int | str | None:
    if not text:
        return None
    return int(text) if text.isdecimal() and len(text) < 12 else text  # the API says what is wrong with it


def reconcile(given: Given, repair: list[str]) -> dict[str, Any]:
    """How often both sides are compared, and what is repaired."""
    return {"every_days": _number(given("reconcile.every_days")), "repair": repair}


def shown(sync: Mapping[str, Any] | None, given: Given, stream: str) -> dict[str, Any]:
    """What the form shows: what was typed, else the sync's rules, else careful defaults."""
    if given("csrf"):
        return _typed(given)
    if sync is None:
        row = conditions.Row(field="company" if stream == "invoices" else "")
        return _complete(f"{stream} to Mailchimp", "", {"action": "tag"}, row, {"max_inactive_percent": 20})
    row = conditions.shown(sync["filter"])
    return _complete(sync["name"], sync["new_member_status"], sync["inactive"], row, sync["brake"])


def default_marks(stream: str) -> dict[str, str]:
    """Tag and merge field of a policy that names none."""
    policies = {what: parse_inactive({"action": action}, stream=stream) for what, action in _MARKS}
    return {what: getattr(policy, what) for what, policy in policies.items()}


def _typed(given: Given) -> dict[str, Any]:
    inactive = {"action": given("inactive"), **{name: given(f"inactive.{name}") for name in _DETAILS}}
    brake = {name: given(f"brake.{name}") for name in _NUMBERS}
    return _complete(given("name"), given("new_member_status"), inactive, _row(given), brake)


def _complete(
    name: str, status: str, inactive: Mapping[str, Any], row: conditions.Row, brake: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "inactive": {"action": inactive["action"], **{detail: inactive.get(detail, "") for detail in _DETAILS}},
        "filter": row,
        "brake": {limit: brake.get(limit) for limit in _NUMBERS},
    }


def _row(given: Given) -> conditions.Row:
    return conditions.Row(
        given("filter.field"), given("filter.operator") or "in", given("filter.values"), given("filter.nested")
    )
