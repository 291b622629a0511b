"""A mapping that cannot mean anything is refused with the place of the fault."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidDefinition
from app.domain.inactive import InactivePolicy, parse_inactive
from app.domain.parsing import parse_mapping
from tests.unit.domain.test_mapping import EXAMPLE


def fields(*rules: object) -> dict[str, object]:
    return {"stream": "customers", "fields": list(rules)}


def tags(*rules: object) -> dict[str, object]:
    return {"stream": "customers", "tags": list(rules)}


REFUSED: list[tuple[object, str]] = [
    (None, ""),
    ([], ""),
    ({}, "/stream"),
    ({"stream": "orders"}, "/stream"),
    ({"stream": "invoices", "email": {"mode": "per_contact"}}, "/email/mode"),
    ({"stream": "invoices", "tags": [{"name": "buyer"}]}, "/tags"),
    ({"stream": "invoices", "language": "language"}, "/language"),
    ({"stream": "invoices", "fields": [{"target": "KIND", "constant": "x"}]}, "/fields/0/target"),
    ({"stream": "invoices", "fields": [{"target": "CITY", "source": "number"}]}, "/fields/0/source"),
    ({"stream": ["customers"]}, "/stream"),
    ({"stream": "customers", "status": "subscribed"}, "/status"),
    ({"stream": "customers", "a/b~c": 1}, "/a~1b~0c"),
    ({"stream": "customers", "email": "default_address.emails"}, "/email"),
    ({"stream": "customers", "email": {"mode": "all"}}, "/email/mode"),
    ({"stream": "customers", "email": {"sources": []}}, "/email/sources"),
    ({"stream": "customers", "email": {"sources": ["name"]}}, "/email/sources/0"),
    ({"stream": "customers", "email": {"sources": ["contact.email"], "mode": "per_contact"}}, "/email/sources/0"),
    ({"stream": "customers", "email": {"sources": ["contacts.email"] * 2}}, "/email/sources"),
    ({"stream": "customers", "email": {"source": "x"}}, "/email/source"),
    ({"stream": "customers", "language": "lang"}, "/language"),
    ({"stream": "customers", "language": "is_active"}, "/language"),
    ({"stream": "customers", "language": "contact.language"}, "/language"),
    (fields("FNAME"), "/fields/0"),
    (fields({"source": "name"}), "/fields/0/target"),
    (fields({"target": "name", "source": "name"}), "/fields/0/target"),
    (fields({"target": "1NAME", "source": "name"}), "/fields/0/target"),
    (fields({"target": "NAMENAMENAM", "source": "name"}), "/fields/0/target"),
    (fields({"target": "NAME\n", "source": "name"}), "/fields/0/target"),
    (fields({"target": "EMAIL", "source": "name"}), "/fields/0/target"),
    (fields({"target": "A", "source": "name"}, {"target": "A", "source": "code"}), "/fields/1/target"),
    (fields({"target": "A"}), "/fields/0"),
    (fields({"target": "A", "source": "name", "constant": "x"}), "/fields/0"),
    (fields({"target": "A", "source": "nam"}), "/fields/0/source"),
    (fields({"target": "A", "source": 5}), "/fields/0/source"),
    (fields({"target": "A", "source": "contacts.email"}), "/fields/0/source"),
    (fields({"target": "A", "source": "contact.first_name"}), "/fields/0/source"),
    (fields({"target": "A", "source": "custom.Upper"}), "/fields/0/source"),
    (fields({"target": "A", "source": ["name", "default_address"]}), "/fields/0/source/1"),
    (fields({"target": "A", "source": []}), "/fields/0/source"),
    (fields({"target": "A", "source": "default_address", "transforms": ["trim"]}), "/fields/0/transforms"),
    (fields({"target": "A", "constant": ""}), "/fields/0/constant"),
    (fields({"target": "A", "constant": True}), "/fields/0/constant"),
    (fields({"target": "A", "constant": {}}), "/fields/0/constant"),
    (fields({"target": "A", "constant": float("nan")}), "/fields/0/constant"),
    (fields({"target": "A", "constant": 10**4000}), "/fields/0/constant"),
    (fields({"target": "A", "constant": "a\x00b"}), "/fields/0/constant"),
    (fields({"target": "A", "constant": "\ud800"}), "/fields/0/constant"),
    (fields({"target": "A", "constant": "x", "transforms": ["trim"]}), "/fields/0/transforms"),
    (fields({"target": "A", "source": "name", "when_blank": "drop"}), "/fields/0/when_blank"),
    (fields({"target": "A", "source": "name", "transforms": "trim"}), "/fields/0/transforms"),
    (fields({"target": "A", "source": "name", "transforms": ["reverse"]}), "/fields/0/transforms/0"),
    (fields({"target": "A", "source": "name", "transforms": [5]}), "/fields/0/transforms/0"),
    (fields({"target": "A", "source": "name", "transforms": [{"length": 5}]}), "/fields/0/transforms/0/name"),
    (fields({"target": "A", "source": "name", "transforms": ["truncate"]}), "/fields/0/transforms/0/length"),
    (
        fields({"target": "A", "source": "name", "transforms": [{"name": "truncate", "length": "5"}]}),
        "/fields/0/transforms/0/length",
    ),
    (
        fields({"target": "A", "source": "name", "transforms": [{"name": "truncate", "length": True}]}),
        "/fields/0/transforms/0/length",
    ),
    (
        fields({"target": "A", "source": "name", "transforms": [{"name": "trim", "length": 5}]}),
        "/fields/0/transforms/0/length",
    ),
    (
        fields({"target": "A", "source": "name", "transforms": [{"name": "date", "format": "%Y"}]}),
        "/fields/0/transforms/0/format",
    ),
    (
        fields({"target": "A", "source": "name", "transforms": [{"name": "map", "values": {"a": 1}}]}),
        "/fields/0/transforms/0/values/a",
    ),
    (
        fields({"target": "A", "source": "name", "transforms": [{"name": "replace", "from": "", "to": "x"}]}),
        "/fields/0/transforms/0/from",
    ),
    (fields(*({"target": f"A{place}", "source": "name"} for place in range(81))), "/fields"),
    (tags("x3"), "/tags/0"),
    (tags({"name": ""}), "/tags/0/name"),
    (tags({"name": "x" * 101}), "/tags/0/name"),
    (tags({"name": " x3"}), "/tags/0/name"),
    (tags({"name": "x3"}, {"name": "X3"}), "/tags/1/name"),
    (tags({"name": "x3", "when": {"field": "cuntry", "equals": "FR"}}), "/tags/0/when/field"),
    (tags({"name": "x3", "when": []}), "/tags/0/when"),
    (tags({"when": {"field": "country", "equals": "FR"}}), "/tags/0/name"),
]


@pytest.mark.parametrize(("raw", "pointer"), REFUSED)
def test_nonsense_is_refused_at_its_place(raw: object, pointer: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_mapping(raw)

    assert refused.value.pointer == pointer
    assert refused.value.message


@pytest.mark.parametrize(
    "raw",
    [
        EXAMPLE,
        {"stream": "customers"},
        {"stream": "suppliers", "email": {"mode": "per_contact"}},
        {"stream": "suppliers", "fields": [], "tags": [], "language": None},
        fields({"target": "A", "source": ["name", "name2"], "when_blank": "fill"}, {"target": "B", "constant": 1.5}),
    ],
)
def test_the_document_of_a_mapping_parses_to_the_same_mapping(raw: dict[str, object]) -> None:
    mapping = parse_mapping(raw)

    assert parse_mapping(json.loads(json.dumps(mapping.document()))) == mapping


def test_what_is_left_out_gets_the_streams_defaults() -> None:
    customers, suppliers = parse_mapping({"stream": "customers"}), parse_mapping({"stream": "suppliers"})

    assert {"FNAME", "LNAME", "COMPANY", "PHONE", "COUNTRY", "LANGUAGE", "X3CODE"} <= {
        rule.target for rule in customers.fields
    }
    assert "KIND" not in {rule.target for rule in customers.fields}
    assert [rule.constant for rule in suppliers.fields if rule.target == "KIND"] == ["supplier"]
    assert [tag.name for tag in customers.tags] == ["x3-customer"]
    assert [tag.name for tag in suppliers.tags] == ["x3-supplier"]
    assert customers.language == "language"
    assert customers.email.sources == ("default_address.emails", "default_contact.email", "contacts.email")


def test_per_contact_defaults_take_the_names_of_the_contact() -> None:
    mapping = parse_mapping({"stream": "customers", "email": {"mode": "per_contact"}})

    assert mapping.fields[0].sources == ("contact.first_name",)


def test_custom_fields_of_a_connection_may_be_mapped() -> None:
    assert parse_mapping(fields({"target": "A", "source": "custom.loyalty_level"})).fields[0].sources == (
        "custom.loyalty_level",
    )


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet=st.characters()), inner, max_size=4),
    max_leaves=8,
)


FIELDS = st.fixed_dictionaries(
    {"target": st.just("A")}, optional={"source": JSON, "constant": JSON, "transforms": JSON, "when_blank": JSON}
)
TAGS = st.fixed_dictionaries({"name": JSON}, optional={"when": JSON})
NEARLY = st.fixed_dictionaries(
    {"stream": st.just("customers")},
    optional={"email": JSON, "fields": st.lists(FIELDS), "tags": st.lists(TAGS), "language": JSON},
)


@given(NEARLY | JSON)
def test_any_json_is_either_a_mapping_or_refused(raw: object) -> None:
    try:
        parse_mapping(raw)
    except InvalidDefinition as refused:
        json.dumps([refused.pointer, refused.message]).encode()
        (refused.pointer + refused.message).encode()


@pytest.mark.parametrize(
    ("raw", "policy"),
    [
        (None, InactivePolicy("tag", tag="x3-inactive")),
        ({"action": "none"}, InactivePolicy("none")),
        ({"action": "tag", "tag": "gone"}, InactivePolicy("tag", tag="gone")),
        (
            {"action": "merge_field"},
            InactivePolicy("merge_field", field="X3STATUS", value="inactive", active_value="active"),
        ),
        ({"action": "archive"}, InactivePolicy("archive")),
        ({"action": "unsubscribe"}, InactivePolicy("unsubscribe")),
    ],
)
def test_inactive_policies_are_read_and_written(raw: object, policy: InactivePolicy) -> None:
    assert parse_inactive(raw) == policy
    assert parse_inactive(policy.document()) == policy


@pytest.mark.parametrize("action", ["tag", "merge_field"])
def test_syncs_of_different_streams_mark_differently_unless_told_otherwise(action: str) -> None:
    customers, suppliers = (parse_inactive({"action": action}, stream=each) for each in ("customers", "suppliers"))

    assert customers.mark != suppliers.mark
    assert parse_inactive(suppliers.document()) == suppliers


def test_tags_that_differ_in_case_only_are_one_mark() -> None:
    one, other = (parse_inactive({"action": "tag", "tag": tag}) for tag in ("Gone", "gone"))

    assert one.mark == other.mark
    assert parse_inactive({"action": "archive"}).mark is None


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ("tag", "/inactive"),
        ({}, "/inactive/action"),
        ({"action": "delete"}, "/inactive/action"),
        ({"action": "archive", "tag": "x"}, "/inactive/tag"),
        ({"action": "tag", "tag": ""}, "/inactive/tag"),
        ({"action": "merge_field", "field": "EMAIL"}, "/inactive/field"),
        ({"action": "merge_field", "value": 5}, "/inactive/value"),
        ({"action": "tag", "colour": "red"}, "/inactive/colour"),
    ],
)
def test_inactive_policies_that_mean_nothing_are_refused(raw: object, pointer: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_inactive(raw)

    assert refused.value.pointer == pointer
