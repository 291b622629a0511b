"""A party becomes the members its mapping describes, or a skip with a reason."""

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidDefinition
from app.domain.mapping import CompiledMapping, compile_mapping, parse_inactive, parse_mapping
from app.domain.member import Member, Skip
from app.domain.merge_values import TYPES, MergeType
from app.domain.party import Contact, Party
from tests.unit.domain.builders import EMAIL, a_contact, a_mapping, a_party, the_member, the_skip

EXAMPLE = {
    "name": "customers",
    "stream": "customers",
    "email": {
        "sources": ["default_address.emails", "default_contact.email", "contacts.email"],
        "mode": "per_party",
    },
    "fields": [
        {"target": "FNAME", "source": "default_contact.first_name", "transforms": ["trim"], "when_blank": "keep"},
        {
            "target": "COMPANY",
            "source": "name",
            "transforms": ["trim", {"name": "truncate", "length": 80}],
            "when_blank": "clear",
        },
        {"target": "KIND", "constant": "customer"},
    ],
    "tags": [{"name": "x3-customer"}, {"name": "x3-export", "when": {"field": "country", "not_in": ["FR"]}}],
    "language": "language",
}


def test_the_contracts_example_becomes_a_member() -> None:
    mapping = compile_mapping(parse_mapping(EXAMPLE), inactive=parse_inactive({"action": "tag", "tag": "x3-inactive"}))
    party = a_party(
        mapping.selection,
        {"default_contact.first_name": "Ada", "name": "Acme", "country": "DE", "language": "GER"},
        emails={"default_contact.email": ["Ada@Acme.test"]},
    )

    member = the_member(mapping, party)

    assert member == Member(
        key="C001",
        code="C001",
        email="Ada@acme.test",
        hash=hashlib.md5(b"ada@acme.test").digest(),
        is_active=True,
        is_prohibited=False,
        merge_fields={"FNAME": "Ada", "COMPANY": "Acme", "KIND": "customer"},
        fill_fields={},
        tags=("x3-customer", "x3-export"),
        tags_off=("x3-inactive",),
        language="de",
    )


def test_only_what_is_needed_is_selected_and_each_field_once() -> None:
    mapping = a_mapping(
        {"target": "NAME", "source": "name"},
        {"target": "NAME2", "source": "name"},
        {"target": "ADDRESS", "source": "default_address"},
        tags=[{"name": "fr", "when": {"field": "country", "equals": "FR"}}],
        filter_={"field": "category", "in": ["EXP"]},
        email={"sources": ["default_address.emails"]},
    )

    selection = mapping.selection
    assert selection.fields == (
        "name",
        "default_address.line1",
        "default_address.line2",
        "default_address.line3",
        "default_address.city",
        "default_address.state",
        "default_address.postal_code",
        "default_address.country",
        "country",
        "category",
    )
    assert selection.contact_fields == ()
    assert not selection.contacts


def test_contacts_are_read_when_a_source_needs_them() -> None:
    assert a_mapping(email={"sources": ["contacts.email"]}).selection.contacts
    assert a_mapping(email={"mode": "per_contact"}).selection.contacts


def test_a_party_outside_the_filter_is_skipped_before_its_address_is_looked_at() -> None:
    mapping = a_mapping(filter_={"field": "category", "in": ["EXP"]})

    skip = the_skip(mapping, a_party(mapping.selection, {"category": "DOM"}, emails={}, is_active=False))

    assert skip == Skip("C001", "C001", "filtered", is_active=False)


def test_blank_slots_are_no_email_and_garbage_is_a_bad_one_told_without_the_address() -> None:
    mapping = a_mapping()

    blank = the_skip(mapping, a_party(mapping.selection, emails={"default_address.emails": [" ", "-"]}))
    garbage = the_skip(mapping, a_party(mapping.selection, emails={"default_contact.email": ["jane.doe at acme"]}))

    assert (blank.reason, blank.detail) == ("no_email", "")
    assert (garbage.reason, garbage.detail) == ("bad_email", "default_contact.email: no @ in it")


def test_sources_are_tried_in_order() -> None:
    mapping = a_mapping(email={"sources": ["default_contact.email", "default_address.emails"]})
    party = a_party(
        mapping.selection,
        emails={"default_address.emails": ["second@acme.test"], "default_contact.email": ["bad", EMAIL]},
    )

    assert the_member(mapping, party).email == EMAIL


def test_a_prohibited_party_is_still_a_member_and_says_so() -> None:
    mapping = a_mapping()

    member = the_member(mapping, a_party(mapping.selection, is_prohibited=True))

    assert member.is_prohibited
    assert (member.key, member.code) == ("C001", "C001")


def test_the_address_of_a_prohibited_contact_is_prohibited_wherever_it_was_found() -> None:
    mapping = a_mapping()
    contacts = [a_contact(mapping.selection, "P1", "ADA@acme.test", is_prohibited=True)]

    assert the_member(mapping, a_party(mapping.selection, contacts=contacts)).is_prohibited
    other = a_party(mapping.selection, emails={"default_address.emails": ["bob@acme.test"]}, contacts=contacts)
    assert not the_member(mapping, other).is_prohibited


def per_contact(**parts: Any) -> CompiledMapping:
    return a_mapping(
        {"target": "FNAME", "source": "contact.first_name"},
        {"target": "COMPANY", "source": "name"},
        email={"mode": "per_contact"},
        **parts,
    )


def test_every_contact_with_an_address_becomes_a_member() -> None:
    mapping = per_contact()
    chosen = mapping.selection
    contacts = [
        a_contact(chosen, "P1", "ada@acme.test", values={"contact.first_name": "Ada"}),
        a_contact(chosen, "P2"),
        a_contact(chosen, "P3", "Bob@acme.test", values={"contact.first_name": "Bob"}, is_prohibited=True),
    ]

    ada, bob = mapping.members(a_party(chosen, {"name": "Acme"}, contacts=contacts))

    assert isinstance(ada, Member)
    assert isinstance(bob, Member)
    assert (ada.key, ada.code, ada.merge_fields) == ("C001/P1", "C001", {"FNAME": "Ada", "COMPANY": "Acme"})
    assert (bob.key, bob.email, bob.is_prohibited) == ("C001/P3", "Bob@acme.test", True)
    assert not ada.is_prohibited


def test_contacts_that_share_an_address_collapse_to_the_first_and_to_the_stricter_flag() -> None:
    mapping = per_contact()
    contacts = [
        a_contact(mapping.selection, "P1", "info@acme.test", values={"contact.first_name": "Ada"}),
        a_contact(mapping.selection, "P2", "INFO@acme.test", values={"contact.first_name": "Bob"}, is_prohibited=True),
    ]

    member = the_member(mapping, a_party(mapping.selection, contacts=contacts))

    assert (member.key, member.merge_fields["FNAME"], member.is_prohibited) == ("C001/P1", "Ada", True)


def test_without_a_contact_address_the_party_itself_becomes_the_member() -> None:
    mapping = per_contact()
    contacts = [a_contact(mapping.selection, "P1", values={"contact.first_name": "Ada"})]

    member = the_member(mapping, a_party(mapping.selection, {"name": "Acme"}, contacts=contacts))

    assert (member.key, member.email, member.merge_fields) == ("C001", EMAIL, {"COMPANY": "Acme"})


def test_a_contact_with_a_bad_address_is_skipped_by_itself() -> None:
    mapping = per_contact()
    contacts = [a_contact(mapping.selection, "P1", "oops"), a_contact(mapping.selection, "P2", EMAIL)]

    member, skip = mapping.members(a_party(mapping.selection, contacts=contacts))

    assert member.key == "C001/P2"
    assert isinstance(skip, Skip)
    assert (skip.key, skip.reason) == ("C001/P1", "bad_email")


def test_a_party_with_no_address_anywhere_is_one_skip_in_per_contact_mode_too() -> None:
    mapping = per_contact()

    skip = the_skip(mapping, a_party(mapping.selection, emails={}, contacts=[a_contact(mapping.selection, "P1")]))

    assert (skip.key, skip.reason) == ("C001", "no_email")


def test_a_filter_on_contact_fields_looks_at_each_contact() -> None:
    mapping = per_contact(filter_={"field": "contact.position", "equals": "buyer"})
    chosen = mapping.selection
    buyer = a_contact(chosen, "P1", EMAIL, values={"contact.position": "buyer"})
    ceo = a_contact(chosen, "P2", "bob@acme.test", values={"contact.position": "ceo"})

    member, skip = mapping.members(a_party(chosen, contacts=[buyer, ceo]))

    assert member.key == "C001/P1"
    assert skip == Skip("C001/P2", "C001", "filtered")
    assert the_skip(mapping, a_party(chosen, contacts=[ceo])) == Skip("C001/P2", "C001", "filtered")
    assert the_skip(mapping, a_party(chosen)) == Skip("C001", "C001", "filtered")


def test_a_filter_on_party_fields_skips_the_party_with_all_its_contacts() -> None:
    mapping = per_contact(filter_={"field": "category", "equals": "EXP"})
    contacts = [a_contact(mapping.selection, "P1", EMAIL), a_contact(mapping.selection, "P2", "bob@acme.test")]

    assert the_skip(mapping, a_party(mapping.selection, contacts=contacts)) == Skip("C001", "C001", "filtered")
    assert len(mapping.members(a_party(mapping.selection, {"category": "EXP"}, contacts=contacts))) == 2


def test_a_filter_on_contact_fields_needs_per_contact_mode() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        a_mapping(filter_={"field": "contact.position", "equals": "buyer"})

    assert refused.value.pointer == "/filter"


def test_the_inactive_tag_is_on_for_the_inactive_and_off_for_the_active() -> None:
    mapping = a_mapping(inactive={"action": "tag", "tag": "gone"}, tags=[{"name": "x3"}])

    active = the_member(mapping, a_party(mapping.selection))
    inactive = the_member(mapping, a_party(mapping.selection, is_active=False))

    assert (active.tags, active.tags_off) == (("x3",), ("gone",))
    assert (inactive.tags, inactive.tags_off) == (("gone", "x3"), ())
    assert mapping.tags == ("gone", "x3")


def test_conditional_tags_and_the_inactive_tag_stay_sorted_in_every_combination() -> None:
    mapping = a_mapping(
        inactive={"action": "tag", "tag": "m"},
        tags=[
            {"name": "z", "when": {"field": "country", "equals": "FR"}},
            {"name": "b"},
            {"name": "a", "when": {"field": "country", "equals": "DE"}},
        ],
    )

    def tags(country: str, is_active: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        member = the_member(mapping, a_party(mapping.selection, {"country": country}, is_active=is_active))
        return member.tags, member.tags_off

    assert tags("FR", True) == (("b", "z"), ("a", "m"))
    assert tags("DE", False) == (("a", "b", "m"), ("z",))
    assert tags("IT", False) == (("b", "m"), ("a", "z"))
    assert tags("FR", True) == (("b", "z"), ("a", "m"))


def test_the_inactive_merge_field_says_both() -> None:
    mapping = a_mapping(
        inactive={"action": "merge_field", "field": "X3STATUS", "value": "inactive", "active_value": "active"}
    )

    assert the_member(mapping, a_party(mapping.selection)).merge_fields == {"X3STATUS": "active"}
    assert the_member(mapping, a_party(mapping.selection, is_active=False)).merge_fields == {"X3STATUS": "inactive"}
    assert mapping.targets == {"X3STATUS": "text"}


@pytest.mark.parametrize("action", ["none", "archive", "unsubscribe"])
def test_other_inactive_actions_leave_the_member_as_it_is(action: str) -> None:
    mapping = a_mapping(inactive={"action": action})

    member = the_member(mapping, a_party(mapping.selection, is_active=False))

    assert (member.is_active, member.merge_fields, member.tags, member.tags_off) == (False, {}, (), ())


@pytest.mark.parametrize(
    ("code", "language", "warnings"),
    [
        ("FRA", "fr", ()),
        ("eng", "en", ()),
        ("pt-BR", "pt", ()),
        (None, None, ()),
        (" ", None, ()),
        ("KLI", None, (("language", "a language Mailchimp does not know"),)),
    ],
)
def test_languages_are_translated_and_unknown_ones_left_out(
    code: str | None, language: str | None, warnings: tuple[tuple[str, str], ...]
) -> None:
    mapping = a_mapping(language="language")

    for _ in range(2):  # the second comes from memory
        member = the_member(mapping, a_party(mapping.selection, {"language": code}))
        assert (member.language, member.warnings) == (language, warnings)


def test_fields_are_created_with_the_type_of_their_source() -> None:
    mapping = a_mapping(
        {"target": "A", "source": "default_address"},
        {"target": "B", "source": "name"},
        {"target": "C", "constant": 4},
    )

    assert mapping.targets == {"A": "address", "B": "text", "C": "text"}


@pytest.mark.parametrize(
    ("fields", "inactive", "types", "pointer"),
    [
        ([{"target": "ADDR", "source": "name"}], None, {"ADDR": "address"}, "/fields/0/source"),
        ([{"target": "KIND", "constant": "x"}], None, {"KIND": MergeType("radio", ("a", "b"))}, "/fields/0/constant"),
        ([{"target": "KIND", "constant": "x"}], None, {"KIND": "number"}, "/fields/0/constant"),
        ([{"target": "S", "constant": "x"}], {"action": "merge_field", "field": "S"}, {}, "/inactive/field"),
        ([], {"action": "merge_field", "field": "S"}, {"S": "date"}, "/inactive/field"),
        ([], {"action": "merge_field", "field": "S"}, {"S": MergeType("radio", ("yes",))}, "/inactive/value"),
        ([], {"action": "tag", "tag": "X3-Customer"}, {}, "/inactive/tag"),
    ],
)
def test_what_cannot_fit_the_audience_is_refused_when_compiled(
    fields: list[dict[str, object]], inactive: object, types: dict[str, MergeType | str], pointer: str
) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        a_mapping(*fields, inactive=inactive, types=types, tags=[{"name": "x3-customer"}])

    assert refused.value.pointer == pointer


EVERYTHING: list[dict[str, Any]] = [
    {"target": "NAME", "source": ["name", "name2"], "transforms": ["title"]},
    {"target": "PHONE", "source": "default_address.phone", "transforms": ["phone"], "when_blank": "fill"},
    {"target": "COUNTRY", "source": "country", "transforms": ["country"], "when_blank": "clear"},
    {"target": "SINCE", "source": "created_at", "transforms": [{"name": "date", "format": "DD/MM/YYYY"}]},
    {"target": "ADDRESS", "source": "default_address", "when_blank": "clear"},
    {"target": "TYPED", "source": "custom.anything", "when_blank": "clear"},
    {"target": "GROUP", "source": "category", "transforms": [{"name": "map", "values": {"A": "b"}, "default": "c"}]},
    {"target": "LABEL", "source": "category", "transforms": [{"name": "default", "value": "none"}]},
    {"target": "PERSON", "source": "contact.first_name"},
    {"target": "FIXED", "constant": "x"},
]
ANY_VALUE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**5000)
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=300)
    | st.sampled_from(["FR", "1599-12-31", "2024-02-30", "12.50", "NaN", "\ud83d", "\x00", "FRA", "x" * 400, "1" * 200])
)
ANY_SLOTS = st.lists(st.text(alphabet=st.characters(), max_size=60) | st.sampled_from([EMAIL, "a@b.fr; c"]), max_size=3)


@given(data=st.data(), mode=st.sampled_from(["per_party", "per_contact"]), merge_type=st.sampled_from(TYPES))
def test_no_party_breaks_the_mapping_and_nothing_that_comes_out_has_a_status(
    data: st.DataObject, mode: str, merge_type: str
) -> None:
    fields = [
        rule for rule in EVERYTHING if mode == "per_contact" or not str(rule.get("source")).startswith("contact.")
    ]
    types: dict[str, MergeType | str] = {"TYPED": MergeType(merge_type, ("A", "B"), "US")}
    types = {} if merge_type == "address" else types
    by = "contact.title" if mode == "per_contact" and data.draw(st.booleans()) else "name"
    mapping = a_mapping(
        *fields,
        types=types,
        inactive={"action": "merge_field"},
        email={"mode": mode},
        language="language",
        tags=[{"name": "t", "when": {"not": {"field": "category", "in": ["A", "1"]}}}],
        filter_={"any": [{"field": "is_customer", "equals": True}, {"field": by, "is_blank": False}]},
    )
    chosen = mapping.selection
    contacts = st.builds(
        Contact,
        st.text(max_size=5),
        ANY_SLOTS.map(tuple),
        st.booleans(),
        st.tuples(*[ANY_VALUE for _ in chosen.contact_fields]),
    )
    party = data.draw(
        st.builds(
            Party,
            st.text(max_size=9),
            st.booleans(),
            st.booleans(),
            st.tuples(*[ANY_SLOTS.map(tuple) for _ in chosen.email_sources]),
            st.tuples(*[ANY_VALUE for _ in chosen.fields]),
            st.lists(contacts, max_size=3).map(tuple),
        )
    )

    members = mapping.members(party)

    assert members
    for member in members:
        if isinstance(member, Skip):
            assert member.reason in ("no_email", "bad_email", "filtered")
            assert "@" not in member.detail.replace("no @", "").replace("the @", "").replace("one @", "")
            continue
        document = msgspec.to_builtins(member)
        assert not [name for name in document if "status" in name]
        assert set(member.merge_fields) | set(member.fill_fields) <= set(mapping.targets)
        assert "" not in member.fill_fields.values()
        texts = [value for value in (member.merge_fields | member.fill_fields).values() if isinstance(value, str)]
        assert all(len(text.encode()) <= 255 and "\x00" not in text for text in texts)
        msgspec.json.encode((member.merge_fields, member.fill_fields, member.warnings))
        assert member == next(again for again in mapping.members(party) if again.key == member.key)
