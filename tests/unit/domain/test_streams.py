"""The registry says what may be mapped, and the tables behind it agree with themselves."""

from typing import get_args

import pytest

from app.domain.countries import country_code, country_name
from app.domain.fields import ADDRESS_PARTS, FieldType, Scope
from app.domain.languages import MAILCHIMP_LANGUAGES, mailchimp_language
from app.domain.streams import STREAMS, find_field


def test_customers_suppliers_and_invoices_are_known() -> None:
    assert list(STREAMS) == ["customers", "suppliers", "invoices"]
    assert STREAMS["customers"].fields == STREAMS["suppliers"].fields
    assert [stream.makes_members for stream in STREAMS.values()] == [True, True, False]


@pytest.mark.parametrize("stream", list(STREAMS.values()), ids=list(STREAMS))
def test_every_field_has_a_type_a_scope_and_a_meaning_and_no_name_comes_twice(stream: object) -> None:
    fields = stream.fields  # type: ignore[attr-defined]  # a Stream

    assert len({field.name for field in fields}) == len(fields)
    assert {field.type for field in fields} <= set(get_args(FieldType))
    assert {field.scope for field in fields} <= set(get_args(Scope))
    assert all(len(field.description) > 5 for field in fields)


def test_the_composite_address_has_parts_that_are_fields() -> None:
    assert all(find_field("customers", f"default_address.{part}") for part in ADDRESS_PARTS)


def test_contact_fields_mirror_those_of_the_default_contact() -> None:
    names = {field.name for field in STREAMS["customers"].fields}
    contact = {name.removeprefix("contact.") for name in names if name.startswith("contact.")}
    default = {name.removeprefix("default_contact.") for name in names if name.startswith("default_contact.")}

    assert contact == default
    assert {"email", "relationship_email", "first_name", "is_mailing_prohibited"} <= contact


def test_custom_fields_are_texts_and_others_are_unknown() -> None:
    custom = find_field("customers", "custom.loyalty_level")

    assert custom is not None
    assert custom.type == "text"
    assert find_field("customers", "custom.") is None
    assert find_field("invoices", "name") is None


@pytest.mark.parametrize(
    ("given", "code", "name"),
    [
        ("FR", "FR", "France"),
        ("gbr", "GB", "United Kingdom"),
        ("EL", "GR", "Greece"),
        ("COD", "CD", "Congo - Kinshasa"),
        ("Germany", "DE", "Germany"),
        ("??", None, None),
    ],
)
def test_countries_are_known_by_two_letters_three_letters_and_name(
    given: str, code: str | None, name: str | None
) -> None:
    assert (country_code(given), country_name(given)) == (code, name)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("FRA", "fr"),
        ("BRI", "en"),
        ("SPA", "es_ES"),
        ("por", "pt_PT"),
        ("fr-CA", "fr_CA"),
        ("de_AT", "de"),
        ("X", None),
    ],
)
def test_languages_of_x3_and_iso_become_those_of_mailchimp(given: str, code: str | None) -> None:
    assert mailchimp_language(given) == code


def test_every_language_code_of_mailchimp_stands_for_itself() -> None:
    assert {mailchimp_language(code) for code in MAILCHIMP_LANGUAGES} == MAILCHIMP_LANGUAGES
