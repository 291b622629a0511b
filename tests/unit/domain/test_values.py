"""What a source value becomes in a merge field: transforms, blanks, the 255-byte rule, the types of Mailchimp."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.merge_values import MergeType
from app.domain.party import Value
from app.domain.transforms import TRANSFORMS, describe_transforms
from tests.unit.domain.builders import a_mapping, a_party, the_member, value_of


@pytest.mark.parametrize(
    ("transform", "value", "result"),
    [
        ("trim", " a ", "a"),
        ("upper", "stra\u00dfe", "STRASSE"),
        ("lower", "\u00c9COLE", "\u00e9cole"),
        ("title", "SOCI\u00c9T\u00c9 L'OR\u00c9AL & FILS SARL", "Soci\u00e9t\u00e9 L'Or\u00e9al & Fils SARL"),
        ("title", "SAINT-DENIS CEDEX 9", "Saint-Denis Cedex 9"),
        ("title", "M\u00dcLLER GMBH", "M\u00fcller GmbH"),
        ("title", "eBay Inc", "eBay Inc"),
        ({"name": "truncate", "length": 4}, "abc def", "abc"),
        ("country", "FR", "France"),
        ("country", "deu", "Germany"),
        ("country", "UK", "United Kingdom"),
        ("phone", "+33 (0)1.42-68 53 00", "+33142685300"),
        ("phone", "0033 1 42 68 53 00", "+33142685300"),
        ("phone", "01/42/68/53/00", "0142685300"),
        ("phone", "0142685300 / 0612345678", "0142685300"),
        ("phone", "01 42 68 53 00 poste 12", "0142685300"),
        ({"name": "date", "format": "DD/MM/YYYY"}, "2024-02-29", "29/02/2024"),
        ({"name": "date", "format": "MM/DD"}, "2024-02-29T10:00:00.000Z", "02/29"),
        ({"name": "replace", "from": "&", "to": "and"}, "A & B", "A and B"),
        ({"name": "replace", "from": "x", "to": ""}, "axb", "ab"),
        ({"name": "map", "values": {"A": "alpha"}}, "A", "alpha"),
        ({"name": "map", "values": {"A": "alpha"}}, "B", "B"),
        ({"name": "map", "values": {"A": "alpha"}, "default": "other"}, "B", "other"),
        ({"name": "map", "values": {"true": "yes"}}, True, "yes"),
        ({"name": "default", "value": "none"}, None, "none"),
        ({"name": "default", "value": "none"}, "some", "some"),
        ({"name": "prefix", "text": "C-"}, "1", "C-1"),
        ({"name": "suffix", "text": " Ltd"}, 7, "7 Ltd"),
    ],
)
def test_each_transform_does_what_it_says(transform: object, value: Value, result: str) -> None:
    assert value_of(value, transforms=[transform]).merge_fields == {"TEXT": result}


@pytest.mark.parametrize(
    ("transform", "value"),
    [
        ("phone", "n/a"),
        ({"name": "date", "format": "YYYY"}, "1599-12-31"),
        ({"name": "date", "format": "YYYY"}, "1753-01-01"),
        ({"name": "map", "values": {"A": ""}}, "A"),
        ({"name": "prefix", "text": "C-"}, " "),
    ],
)
def test_a_transform_may_leave_a_blank(transform: object, value: Value) -> None:
    assert value_of(value, transforms=[transform], when_blank="clear").merge_fields == {"TEXT": ""}


@pytest.mark.parametrize(
    ("transform", "value", "warning"),
    [
        ("country", "ZZ9", "unknown country code"),
        ({"name": "date", "format": "YYYY"}, "2024-02-30", "not a date"),
        ({"name": "date", "format": "YYYY"}, "soon", "not a date"),
    ],
)
def test_what_cannot_be_transformed_is_left_out_with_a_warning(transform: object, value: Value, warning: str) -> None:
    member = value_of(value, transforms=[transform], when_blank="clear")

    assert member.merge_fields == {}
    assert member.warnings == (("TEXT", warning),)


def test_transforms_run_in_order() -> None:
    chain: list[Any] = ["trim", {"name": "default", "value": "acme"}, {"name": "prefix", "text": "a "}, "upper"]

    assert value_of(None, transforms=chain).merge_fields == {"TEXT": "A ACME"}


def test_the_catalogue_describes_every_transform_and_argument() -> None:
    described = {entry["name"]: entry for entry in describe_transforms()}

    assert set(described) == set(TRANSFORMS)
    assert described["truncate"]["arguments"] == [
        {
            "name": "length",
            "type": "integer",
            "required": True,
            "description": "Most characters to keep",
            "least": 1,
            "most": 255,
        }
    ]
    assert all(entry["description"].endswith(".") for entry in described.values())


@pytest.mark.parametrize(("blank", "sent"), [("clear", {"TEXT": ""}), ("keep", {}), ("fill", {})])
@pytest.mark.parametrize("value", [None, "", " ", "\x00"])
def test_blanks_are_cleared_only_when_asked(value: Value, blank: str, sent: dict[str, str]) -> None:
    member = value_of(value, when_blank=blank)

    assert member.merge_fields == sent
    assert member.fill_fields == {}
    assert member.warnings == ()


def test_fill_values_are_kept_apart() -> None:
    member = value_of("Acme", when_blank="fill")

    assert (member.merge_fields, member.fill_fields) == ({}, {"TEXT": "Acme"})


def test_zero_and_false_are_not_blank() -> None:
    assert value_of(0, when_blank="clear").merge_fields == {"TEXT": "0"}
    assert value_of(False, when_blank="clear").merge_fields == {"TEXT": "false"}
    assert value_of(0, types={"TEXT": "number"}, when_blank="clear").merge_fields == {"TEXT": 0}


@pytest.mark.parametrize("transforms", [[], ["upper"]])
def test_text_is_cut_at_255_bytes_on_a_character_boundary(transforms: list[str]) -> None:
    member = value_of("\u00c9" * 200, transforms=transforms)

    assert member.merge_fields == {"TEXT": "\u00c9" * 127}
    assert member.warnings == (("TEXT", "cut from 400 to 255 bytes"),)


@given(st.text(alphabet=st.characters(), max_size=400))
def test_any_text_fits_255_clean_bytes(text: str) -> None:
    sent = value_of(text, when_blank="clear").merge_fields["TEXT"]

    assert isinstance(sent, str)
    assert len(sent.encode()) <= 255
    assert not set(sent) & {chr(code) for code in (*range(32), *range(127, 160))}
    assert sent == sent.strip()


def test_control_characters_go_and_line_breaks_become_blanks() -> None:
    assert value_of("A\x00c\x07me\r\n\ud800S\u2028A\u200d").merge_fields == {"TEXT": "Acme S A\u200d"}


@pytest.mark.parametrize(
    ("type_", "value", "sent"),
    [
        ("number", "12.50", 12.5),
        ("number", "1000", 1000),
        ("number", 7, 7),
        ("date", "2024-02-29T10:00:00Z", "2024-02-29"),
        ("birthday", "1985-12-10", "12/10"),
        ("birthday", "02/29", "02/29"),
        ("url", "www.acme.test/a?b=c", "https://www.acme.test/a?b=c"),
        ("url", "http://acme.test", "http://acme.test"),
        ("zip", "90210-1234", "90210"),
        ("phone", "01 42 68", "01 42 68"),
        (MergeType("phone", phone_format="US"), "+1 (212) 555 0123", "212-555-0123"),
        (MergeType("dropdown", ("Gold", "Silver")), "GOLD", "Gold"),
        (MergeType("radio", ("true", "false")), True, "true"),
        ("text", 12.0, "12"),
        ("something new", "x", "x"),
    ],
)
def test_values_are_written_as_their_merge_type_takes_them(
    type_: MergeType | str, value: Value, sent: str | int | float
) -> None:
    assert value_of(value, types={"TEXT": type_}).merge_fields == {"TEXT": sent}


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("number", "twelve"),
        ("number", "NaN"),
        ("number", "1_0"),
        ("number", "1e999999"),
        ("number", float("inf")),
        ("text", float("nan")),
        ("text", 10**4000),
        ("date", "29/02/2024"),
        ("birthday", "13/13"),
        ("url", "acme"),
        ("url", "javascript://x"),
        ("url", "https://acme.test/" + "x" * 300),
        ("zip", "75001 Paris"),
        (MergeType("phone", phone_format="US"), "+33142685300"),
        (MergeType("dropdown", ("Gold",)), "Bronze"),
    ],
)
def test_a_value_its_field_cannot_take_is_left_out_with_a_warning(type_: MergeType | str, value: Value) -> None:
    member = value_of(value, types={"TEXT": type_}, when_blank="clear")

    assert member.merge_fields == {}
    ((target, what),) = member.warnings
    assert target == "TEXT"
    assert str(value)[:10] not in what or isinstance(value, int | float)


def test_several_sources_are_joined_by_a_blank() -> None:
    mapping = a_mapping({"target": "NAME", "source": ["name", "name2"], "transforms": ["title"]})

    both = the_member(mapping, a_party(mapping.selection, {"name": "GRANDS MOULINS", "name2": "DE PARIS"}))
    one = the_member(mapping, a_party(mapping.selection, {"name": "ACME"}))

    assert both.merge_fields == {"NAME": "Grands Moulins De Paris"}
    assert one.merge_fields == {"NAME": "Acme"}


PARTS = {
    "default_address.line1": "1 Main Street",
    "default_address.line2": "Building B",
    "default_address.line3": "3rd floor",
    "default_address.city": "Springfield",
    "default_address.state": "IL",
    "default_address.postal_code": "62701",
    "default_address.country": "USA",
}


def test_a_complete_address_is_sent_whole() -> None:
    mapping = a_mapping({"target": "ADDRESS", "source": "default_address"})

    assert the_member(mapping, a_party(mapping.selection, PARTS)).merge_fields == {
        "ADDRESS": {
            "addr1": "1 Main Street",
            "addr2": "Building B, 3rd floor",
            "city": "Springfield",
            "state": "IL",
            "zip": "62701",
            "country": "US",
        }
    }


@pytest.mark.parametrize("missing", ["city", "state", "postal_code"])
def test_an_incomplete_address_is_left_out_altogether(missing: str) -> None:
    mapping = a_mapping({"target": "ADDRESS", "source": "default_address", "when_blank": "clear"})

    member = the_member(mapping, a_party(mapping.selection, PARTS | {f"default_address.{missing}": " "}))

    assert member.merge_fields == {}
    assert member.warnings[0][1].startswith("incomplete address: no ")


def test_a_blank_address_is_neither_sent_nor_cleared() -> None:
    mapping = a_mapping({"target": "ADDRESS", "source": "default_address", "when_blank": "clear"})

    member = the_member(mapping, a_party(mapping.selection))

    assert (member.merge_fields, member.warnings) == ({}, ())


def test_an_address_in_a_text_field_is_one_line() -> None:
    mapping = a_mapping({"target": "ADDRESS", "source": "default_address"}, types={"ADDRESS": "text"})

    member = the_member(mapping, a_party(mapping.selection, PARTS | {"default_address.state": None}))

    assert member.merge_fields == {"ADDRESS": "1 Main Street, Building B, 3rd floor, 62701 Springfield, USA"}
