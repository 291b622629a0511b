"""A sync's rules as a form, and back: who may be added, what happens to the inactive, when to stop and ask."""

from collections.abc import Callable, Mapping
from typing import Any

from app.console import condition_forms as conditions
from app.console.calling import Refused

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
_NUMBERS = ("max_new", "max_inactive_percent")


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
    row = conditions.Row(
        given("filter.field"), given("filter.operator") or "in", given("filter.values"), given("filter.nested")
    )
    try:
        return conditions.condition(row, types)
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
    typed = bool(given("csrf"))
    if typed:
        brake: Mapping[str, Any] = {name: given(f"brake.{name}") for name in _NUMBERS}
        details = {name: given(f"inactive.{name}") for name in ("tag", "field", "value", "active_value")}
        inactive = {"action": given("inactive"), **details}
        row = conditions.Row(
            given("filter.field"), given("filter.operator") or "in", given("filter.values"), given("filter.nested")
        )
        return {
            "name": given("name"),
            "status": given("new_member_status"),
            "inactive": inactive,
            "filter": row,
            "brake": brake,
        }
    if sync is None:
        field = "company" if stream == "invoices" else ""
        return {
            "name": f"{stream} to Mailchimp",
            "status": "",
            "inactive": {"action": "tag"},
            "filter": conditions.Row(field=field),
            "brake": {"max_inactive_percent": 20},
        }
    return {
        "name": sync["name"],
        "status": sync["new_member_status"],
        "inactive": sync["inactive"],
        "filter": conditions.shown(sync["filter"]),
        "brake": sync["brake"],
    }
