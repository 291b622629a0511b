"""Filters decide by source fields, for syncs and for tags."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidDefinition
from app.domain.filters import compile_filter, parse_filter
from app.domain.party import Value


def holds(raw: dict[str, Any], **values: Value) -> bool:
    stream = "invoices" if "total_including_tax" in values else "customers"
    filter_ = parse_filter(raw, stream)
    assert filter_ is not None
    places = {name: place for place, name in enumerate(filter_.fields)}
    return compile_filter(filter_, places)(tuple(values.get(name) for name in filter_.fields))


@pytest.mark.parametrize(
    ("raw", "country", "result"),
    [
        ({"field": "country", "in": ["FR", "DE"]}, "DE", True),
        ({"field": "country", "in": ["FR", "DE"]}, "IT", False),
        ({"field": "country", "in": ["FR"]}, None, False),
        ({"field": "country", "not_in": ["FR"]}, "DE", True),
        ({"field": "country", "not_in": ["FR"]}, "FR", False),
        ({"field": "country", "not_in": ["FR"]}, None, True),
        ({"field": "country", "equals": "FR"}, "FR", True),
        ({"field": "country", "equals": "FR"}, "fr", False),
        ({"field": "country", "not_equals": "FR"}, "DE", True),
        ({"field": "country", "is_blank": True}, None, True),
        ({"field": "country", "is_blank": True}, " ", True),
        ({"field": "country", "is_blank": True}, "FR", False),
        ({"field": "country", "is_blank": False}, "FR", True),
        ({"field": "country", "is_blank": False}, None, False),
        ({"field": "country", "equals": 7}, 7, True),
        ({"field": "country", "equals": 7}, 10**4000, False),
        ({"not": {"field": "country", "equals": "FR"}}, "FR", False),
        ({"all": [{"field": "country", "equals": "FR"}, {"field": "code", "is_blank": True}]}, "FR", True),
        ({"all": [{"field": "country", "equals": "FR"}, {"field": "code", "is_blank": False}]}, "FR", False),
        ({"any": [{"field": "country", "equals": "FR"}, {"field": "code", "is_blank": False}]}, "FR", True),
        ({"any": [{"field": "country", "equals": "DE"}, {"field": "code", "is_blank": False}]}, "FR", False),
    ],
)
def test_each_operator_decides_as_it_says(raw: dict[str, Any], country: Value, result: bool) -> None:
    assert holds(raw, country=country) is result


def test_booleans_and_numbers_are_compared_as_what_they_are() -> None:
    assert holds({"field": "is_customer", "equals": True}, is_customer=True)
    assert not holds({"field": "is_customer", "equals": True}, is_customer=None)
    assert holds({"field": "total_including_tax", "in": ["12.50", 7]}, total_including_tax="12.5")
    assert holds({"field": "total_including_tax", "not_in": [7]}, total_including_tax="nonsense")


def test_a_filter_names_its_fields_once_in_order() -> None:
    filter_ = parse_filter(
        {
            "any": [
                {"field": "code", "equals": "a"},
                {"not": {"field": "country", "is_blank": True}},
                {"field": "code", "equals": "b"},
            ]
        },
        "customers",
    )

    assert filter_ is not None
    assert filter_.fields == ("code", "country")
    assert parse_filter(None, "customers") is None


def nested(levels: int) -> dict[str, Any]:
    raw: dict[str, Any] = {"field": "code", "equals": "x"}
    for _ in range(levels):
        raw = {"not": raw}
    return raw


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ([], "/filter"),
        ({}, "/filter"),
        ({"field": "country"}, "/filter"),
        ({"in": ["FR"]}, "/filter/field"),
        ({"field": "country", "in": ["FR"], "equals": "DE"}, "/filter"),
        ({"field": "country", "like": "F%"}, "/filter/like"),
        ({"field": "county", "equals": "FR"}, "/filter/field"),
        ({"field": "default_address.emails", "is_blank": True}, "/filter/field"),
        ({"field": "default_address", "is_blank": True}, "/filter/field"),
        ({"field": "contact.code", "equals": "x"}, "/filter/field"),
        ({"field": "country", "in": []}, "/filter/in"),
        ({"field": "country", "in": "FR"}, "/filter/in"),
        ({"field": "country", "in": ["FR", None]}, "/filter/in/1"),
        ({"field": "country", "equals": ""}, "/filter/equals"),
        ({"field": "country", "equals": float("nan")}, "/filter/equals"),
        ({"field": "country", "is_blank": "yes"}, "/filter/is_blank"),
        ({"field": "is_customer", "equals": "yes"}, "/filter/equals"),
        ({"all": []}, "/filter/all"),
        ({"all": [{"field": "country", "equals": "FR"}], "any": []}, "/filter"),
        ({"all": [{"field": "country", "equals": "FR"}, {"not": []}]}, "/filter/all/1/not"),
        (nested(8), "/filter" + "/not" * 8),
        (nested(500), "/filter" + "/not" * 8),
        ({"all": [{"any": [{"field": "code", "equals": "x"}] * 60}] * 2}, "/filter/all/1/any/40"),
    ],
)
def test_conditions_that_mean_nothing_are_refused_at_their_place(raw: object, pointer: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_filter(raw, "customers")

    assert refused.value.pointer == pointer


def test_the_deepest_allowed_filter_works() -> None:
    assert holds(nested(6), code="x")
    assert not holds(nested(7), code="x")


@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    st.sampled_from(["country", "is_customer", "custom.any"]),
)
def test_in_and_not_in_are_opposites_for_any_value(value: Value, field: str) -> None:
    operand = [True] if field == "is_customer" else ["FR", "0", "true"]

    assert holds({"field": field, "in": operand}, **{field: value}) is not holds(
        {"field": field, "not_in": operand}, **{field: value}
    )
