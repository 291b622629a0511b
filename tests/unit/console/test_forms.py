"""Forms become what the API takes, and what the API has becomes the same form again."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.console import condition_forms, connection_forms, mapping_forms, schedule_forms, sync_forms, transform_text
from app.console.calling import Refused
from app.domain.mapping import parse_inactive, parse_mapping
from app.domain.schedule import parse_schedule


def sent(form: mapping_forms.Form) -> dict[str, str]:
    """What a browser would send for a form as it is shown."""
    values = {"name": form.name, "mode": form.mode, "language": form.language}
    for number, row in enumerate(form.fields):
        values |= {f"field.{number}.{name}": value for name, value in row._asdict().items()}
    for number, tag in enumerate(form.tags):
        values |= {f"tag.{number}.name": tag.name}
        values |= {f"tag.{number}.{name}": value for name, value in tag.when._asdict().items()}
    values |= {f"email.{number}": source for number, source in enumerate(form.emails)}
    return values | {"field.count": str(len(form.fields)), "tag.count": str(len(form.tags))}


def given(values: Mapping[str, str]) -> Any:
    return lambda name: values.get(name, "")


MAPPING = {
    "name": "customers",
    "stream": "customers",
    "email": {"sources": ["default_address.emails", "contacts.email"], "mode": "per_party"},
    "fields": [
        {"target": "COMPANY", "source": "name", "transforms": ["trim", {"name": "truncate", "length": 80}]},
        {"target": "WHO", "source": ["default_contact.first_name", "default_contact.last_name"], "when_blank": "fill"},
        {"target": "KIND", "constant": "customer", "when_blank": "clear"},
    ],
    "tags": [
        {"name": "x3-customer"},
        {"name": "x3-export", "when": {"field": "country", "not_in": ["FR", "BE"]}},
        {"name": "x3-live", "when": {"field": "is_active", "in": [True]}},
        {"name": "x3-odd", "when": {"any": [{"field": "country", "in": ["FR"]}, {"field": "city", "is_blank": True}]}},
    ],
    "language": "language",
}
TYPES = {"country": "text", "is_active": "boolean"}


def test_a_mapping_survives_its_form() -> None:
    MAPPING["tags"][3]["when"]["any"][1]["field"] = "category"  # type: ignore[index]  # plain JSON
    document = parse_mapping({name: value for name, value in MAPPING.items() if name != "name"}).document()
    form = mapping_forms.shown({**document, "name": "customers"})

    again = mapping_forms.definition(mapping_forms.typed(given(sent(form))), TYPES)

    assert parse_mapping({"stream": "customers", **again}).document() == document


def test_a_dropped_row_is_gone_and_a_new_field_gets_its_name_in_capitals() -> None:
    values = {
        "field.count": "3", "tag.count": "0", "email.0": "default_address.emails", "mode": "per_party",
        "field.0.target": "COMPANY", "field.0.source": "name",
        "field.1.target": "CITY", "field.1.source": "default_address.city", "field.1.drop": "1",
        "field.2.target": mapping_forms.NEW, "field.2.new": "town", "field.2.source": "default_address.city",
    }  # fmt: skip

    fields = mapping_forms.definition(mapping_forms.typed(given(values)), {})["fields"]

    assert [rule["target"] for rule in fields] == ["COMPANY", "TOWN"]


def test_every_row_that_cannot_be_read_is_named() -> None:
    values = {
        "field.count": "2", "tag.count": "1", "tag.0.name": "x", "tag.0.nested": "[",
        "field.0.target": "A", "field.0.source": "name", "field.0.transforms": "trim | replace a",
        "field.1.target": "B", "field.1.source": "name", "field.1.transforms": "upper loudly",
    }  # fmt: skip

    with pytest.raises(Refused) as refused:
        mapping_forms.definition(mapping_forms.typed(given(values)), {})

    pointers = [fault.pointer for fault in refused.value.faults]
    assert pointers == ["/fields/0/transforms", "/fields/1/transforms", "/tags/0/when"]


@pytest.mark.parametrize(
    ("line", "steps"),
    [
        ("", []),
        ("trim | title", ["trim", "title"]),
        ("truncate 80", [{"name": "truncate", "length": 80}]),
        ("prefix X3- | suffix !", [{"name": "prefix", "text": "X3-"}, {"name": "suffix", "text": "!"}]),
        ("replace & => and", [{"name": "replace", "from": "&", "to": "and"}]),
        ("map FR=France; *=other", [{"name": "map", "values": {"FR": "France"}, "default": "other"}]),
    ],
)
def test_transforms_are_written_and_read(line: str, steps: list[Any]) -> None:
    assert transform_text.read(line) == steps
    assert transform_text.written(steps) == line


@pytest.mark.parametrize(
    "step",
    [
        {"name": "prefix", "text": "a | b"},
        {"name": "suffix", "text": " blank at both ends "},
        {"name": "map", "values": {"a=b": "c; d", "*": "star"}},
        {"name": "replace", "from": "=>", "to": ""},
    ],
)
def test_what_a_line_cannot_hold_is_json(step: dict[str, Any]) -> None:
    line = transform_text.written([step])

    assert line.startswith("[")
    assert transform_text.read(line) == [step]


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "country", "in": ["FR", "BE"]},
        {"field": "country", "not_in": ["FR"]},
        {"field": "country", "is_blank": True},
        {"field": "country", "is_blank": False},
        {"field": "is_active", "in": [True, False]},
        {"field": "country", "in": ["with, comma"]},
        {"all": [{"field": "country", "in": ["FR"]}]},
    ],
)
def test_a_condition_survives_its_row(condition: dict[str, Any]) -> None:
    assert condition_forms.condition(condition_forms.shown(condition), TYPES) == condition


def test_no_field_is_no_condition() -> None:
    assert condition_forms.condition(condition_forms.Row(), {}) is None
    assert condition_forms.shown(None) == condition_forms.Row()


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "manual"},
        {"kind": "interval", "minutes": 15},
        {"kind": "daily", "at": "02:30", "quiet_hours": [{"from": "22:00", "to": "05:00"}]},
        {"kind": "weekly", "days": ["mon", "fri"], "at": "07:00"},
        {"kind": "cron", "expression": "*/15 6-20 * * 1-5"},
    ],
)
def test_a_schedule_survives_its_form(document: dict[str, Any]) -> None:
    shown = schedule_forms.shown(document)
    texts = {name: str(value) for name, value in shown.items() if name != "days"}

    again = schedule_forms.schedule(given(texts), shown["days"])

    assert again == document
    parse_schedule(again)
    assert schedule_forms.in_words(document)


@pytest.mark.parametrize("action", ["none", "tag", "merge_field", "archive", "unsubscribe"])
def test_the_rules_of_a_sync_survive_their_form(action: str) -> None:
    sync = {
        "name": "a sync",
        "new_member_status": "pending",
        "inactive": parse_inactive({"action": action}).document(),
        "filter": {"field": "country", "in": ["FR"]},
        "brake": {"max_new": 1000, "max_inactive_percent": None},
    }
    shown = sync_forms.shown(sync, given({}), "customers")
    values = {
        "name": shown["name"], "new_member_status": shown["status"], "inactive": shown["inactive"]["action"],
        **{f"inactive.{name}": value for name, value in shown["inactive"].items() if name != "action"},
        **{f"filter.{name}": value for name, value in shown["filter"]._asdict().items()},
        **{f"brake.{name}": "" if value is None else str(value) for name, value in shown["brake"].items()},
    }  # fmt: skip

    again = sync_forms.rules(given(values), {})

    assert {**again, "inactive": parse_inactive(again["inactive"]).document()} == sync


def test_new_people_get_no_status_by_default() -> None:
    assert sync_forms.shown(None, given({}), "customers")["status"] == ""


class TestConnections:
    """A secret goes in and never comes out; what is emptied gets its default back."""

    CONNECTION: Mapping[str, Any] = {
        "name": "X3", "system": "sage_x3", "kind": "graphql_jwt", "url": "https://x3.acme.test/api",
        "settings": {"endpoint": "SEED", "page_size": 200, "headers": {"X-A": "b"}},
    }  # fmt: skip

    def test_a_form_becomes_a_connection(self) -> None:
        values = {
            "name": "X3", "url.url": "https://x3.acme.test/api", "settings.endpoint": "SEED",
            "settings.page_size": "200", "credential.client_id": "app", "credential.client_secret": "secret",
            "other_settings": '{"generation": "x3"}',
        }  # fmt: skip

        body = connection_forms.creation("sage_x3", "graphql_jwt", given(values))

        assert body == {
            "name": "X3", "system": "sage_x3", "kind": "graphql_jwt", "url": "https://x3.acme.test/api",
            "settings": {"generation": "x3", "endpoint": "SEED", "page_size": 200},
            "credential": {"client_id": "app", "client_secret": "secret"},
        }  # fmt: skip

    def test_a_credential_that_is_not_typed_again_is_kept(self) -> None:
        values = {"name": "X3", "url.url": "https://x3.acme.test/api", "settings.endpoint": "PROD"}

        body = connection_forms.change(self.CONNECTION, given(values))

        assert "credential" not in body
        assert body["settings"]["endpoint"] == "PROD"
        assert (body["settings"]["page_size"], body["settings"]["headers"]) == (None, None)

    def test_settings_without_a_field_are_kept_as_json(self) -> None:
        values = {"name": "X3", "other_settings": connection_forms.others(self.CONNECTION)}

        assert connection_forms.change(self.CONNECTION, given(values))["settings"]["headers"] == {"X-A": "b"}

    def test_no_field_shows_a_secret(self) -> None:
        for (system, kind), (usual, rare) in connection_forms.FORMS.items():
            connection = {**self.CONNECTION, "system": system, "kind": kind}
            for each in (*usual, *rare):
                if each.place == "credential":
                    assert connection_forms.shown(connection, each) == ""
                if "secret" in each.name or each.name in ("password", "api_key"):
                    assert each.type == "password"

    def test_what_is_no_json_is_said(self) -> None:
        with pytest.raises(connection_forms.NotJson):
            connection_forms.creation("mailchimp", "api_key", given({"other_settings": "[1]"}))
