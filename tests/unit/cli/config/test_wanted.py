"""Files that ask for what cannot be, and which line says so."""

from typing import Any

import pytest

from app.cli.config.faults import Faulty
from app.cli.config.planning import plan
from app.cli.config.present import Ambiguous, Present, Thing
from app.cli.config.reading import read_yaml
from app.cli.config.wanted import Wanted, read_wanted

GOOD = """\
format: ml-connector/v1
connections:
  X3:
    system: sage_x3
    kind: graphql_jwt
    url: https://x3.acme.test/xtrem/api
    settings: {page_size: 200}
    credential: {client_id: app, from_env: {client_secret: X3_SECRET}}
  Mailchimp: {system: mailchimp, kind: api_key}
mappings:
  customers: {stream: customers}
syncs:
  letters:
    stream: customers
    source_connection: X3
    target_connection: Mailchimp
    mapping: customers
    target: {audience_id: a6b5da1054}
    new_member_status: transactional
"""
NOBODY = Present({})


def wanted(text: str, present: Present = NOBODY) -> Wanted:
    return read_wanted(read_yaml(text.encode()), present)


def a_thing(**body: Any) -> Thing:
    return Thing("1", '"1"', {"name": "X3", "system": "sage_x3", "kind": "graphql_basic", "settings": {}, **body})


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("format: ml-connector/v1", "format: ml-connector/v2", "line 1: format: This release reads ml-connector/v1"),
        ("format: ml-connector/v1", "form: x", "line 1: Is no configuration"),
        ("mappings:", "mapings:", "line 10: mapings: Unknown; known are format, connections, mappings, syncs"),
        ("kind: graphql_jwt", "kind: graphql", "line 5: connections.X3.kind: system and kind must be one of"),
        (
            "page_size: 200",
            "page_size: '200'",
            "line 7: connections.X3.settings.page_size: Input should be a valid int",
        ),
        ("page_size: 200", "page_sice: 200", "line 7: connections.X3.settings.page_sice: Extra inputs"),
        ("    url: https://x3.acme.test/xtrem/api\n", "", "line 3: connections.X3.url: Is missing."),
        ("kind: api_key}", "kind: api_key, url: https://a.test}", "line 9: connections.Mailchimp.url: A Mailchimp"),
        ("{client_id: app,", "{client_secret: s3cret,", "line 8: connections.X3.credential.client_secret: A secret"),
        ("from_env: {client_secret: X3_SECRET}", "from_env: {password: P}", "line 8: connections.X3.credential.from"),
        ("X3_SECRET}", "'$X3'}", "client_secret: Must be the name of an environment variable."),
        ("{stream: customers}", "{stream: customers, fields: [{target: a}]}", "line 11: mappings.customers.fields[0]"),
        ("{stream: customers}", "{stream: customers, name: x}", "line 11: mappings.customers.name: The name is what"),
        ("{stream: customers}", "[]", "line 11: mappings.customers: Must hold names and values."),
        ("mapping: customers", "mapping: customer", "line 17: syncs.letters.mapping: Neither this file nor the tenant"),
        ("mapping: customers", "mapping_id: 1", "line 13: syncs.letters.mapping: Field required"),
        (
            "transactional",
            "transactional\n    schedule: {kind: daily, at: 25:00}",
            "line 20: syncs.letters.schedule.at",
        ),
        ("transactional", "transactional\n    filter: {field: nope, in: [a]}", "line 20: syncs.letters.filter"),
    ],
)
def test_every_fault_names_its_line_and_place(old: str, new: str, fault: str) -> None:
    assert old in GOOD
    with pytest.raises(Faulty) as caught:
        wanted(GOOD.replace(old, new, 1))

    assert fault in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    text = GOOD.replace("page_size: 200", "page_size: 0").replace("a6b5da1054", "'?'")

    with pytest.raises(Faulty) as caught:
        wanted(text)

    assert [fault.line for fault in caught.value.faults] == [7, 18]


def test_what_an_object_keeps_for_good_cannot_be_changed_by_a_file() -> None:
    with pytest.raises(Faulty) as caught:
        wanted(GOOD, Present({"connections": [a_thing()]}))

    assert str(caught.value) == (
        "line 5: connections.X3.kind: It is graphql_basic and stays so; use another name for a new one."
    )


def test_two_objects_of_one_name_are_refused() -> None:
    with pytest.raises(Ambiguous, match="Two connections have the name 'X3'"):
        Present({"connections": [a_thing(), a_thing()]})


def test_a_noun_that_the_file_does_not_mention_is_left_alone_and_an_empty_one_is_not() -> None:
    present = Present({"connections": [a_thing()]})

    left = plan(wanted("format: ml-connector/v1", present), present)
    emptied = plan(wanted("format: ml-connector/v1\nconnections: {}", present), present)

    assert left == []
    assert [(change.kind, change.noun, change.name) for change in emptied] == [("delete", "connections", "X3")]


def test_a_default_that_is_written_out_is_no_difference() -> None:
    stored = a_thing(kind="graphql_jwt", url="https://x3.acme.test/xtrem/api", settings={"page_size": 200})
    present = Present({"connections": [stored]})
    text = GOOD.replace("{page_size: 200}", "{page_size: 200, max_concurrency: 2, tls_verify: true}")

    assert "X3" not in [change.name for change in plan(wanted(text, present), present)]


def test_a_contact_may_be_named_in_a_filter_only_where_contacts_become_members() -> None:
    text = GOOD.replace("transactional", "transactional\n    filter: {field: contact.first_name, is_blank: false}")

    with pytest.raises(Faulty):
        wanted(text)
    wanted(text.replace("{stream: customers}", "{stream: customers, email: {mode: per_contact}}"))
