"""One data set, one mapping, two ways in: GraphQL and REST api1 give the same members and the same skips."""

import json
from typing import Any

import pytest

from app.connectors.sage_x3.opening import open_source
from app.connectors.sage_x3.verify import verify
from app.domain.inactive import InactivePolicy
from app.domain.mapping import CompiledMapping, compile_mapping, parse_mapping
from app.domain.member import Member, Skip
from app.domain.streams import STREAMS
from sandbox.x3.state import Settings
from tests.unit.connectors.sage_x3.rest.conftest import rest_x3

PARTY = ["default_address.emails", "default_contact.email", "contacts.email", "default_contact.relationship_email",
         "contacts.relationship_email", "addresses.emails"]  # fmt: skip


def everything(stream: str, mode: str) -> CompiledMapping:
    """A mapping of every field the stream has, in several parts since an audience has at most eighty."""
    scopes = ("party", "contact") if mode == "per_contact" else ("party",)
    fields = [
        {"target": f"F{number}", "source": field.name, "when_blank": ("clear", "keep", "fill")[number % 3]}
        for number, field in enumerate(STREAMS[stream].fields)
        if field.scope in scopes and field.type not in ("emails", "address")
    ]
    definition = {
        "name": "everything",
        "stream": stream,
        "email": {"sources": PARTY if mode == "per_party" else ["default_address.emails"], "mode": mode},
        "fields": [*fields, {"target": "ADDRESS", "source": "default_address"}],
        "tags": [{"name": "export", "when": {"field": "country", "not_in": ["FR"]}}, {"name": stream}],
        "language": "language",
    }
    return compile_mapping(parse_mapping(definition), inactive=InactivePolicy(action="tag", tag="gone"))


async def members(given: dict[str, Any], mapping: CompiledMapping, *, verified: bool = True) -> list[Member | Skip]:
    facts: Any = {}
    if verified:
        found = await verify(stream=mapping.selection.stream, **given)
        assert found.ok, found.checks
        facts = found.facts
    source = open_source(selection=mapping.selection, **(given | {"facts": facts}))
    parties = [party async for page in source.scan(None, None) for party in page.parties]
    return [made for party in parties for made in mapping.members(party)]


@pytest.mark.parametrize("stream", ["customers", "suppliers"])
@pytest.mark.parametrize("mode", ["per_party", "per_contact"])
@pytest.mark.parametrize("settings", [{}, {"rest_list_is_narrow": True}, {"rest_page_maximum": 7}])
async def test_both_ways_in_give_the_same_members(stream: str, mode: str, settings: dict[str, Any]) -> None:
    x3 = rest_x3(Settings(**settings))

    mapping = everything(stream, mode)

    graphql, rest = await members(x3.over_graphql(), mapping), await members(x3.given(), mapping)

    assert rest == graphql
    assert {type(made) for made in rest} == {Member, Skip}
    assert len({made.code for made in rest}) == len(
        x3.state.folder.customers if stream == "customers" else x3.state.folder.suppliers
    )


async def test_both_ways_in_agree_without_a_verification_too() -> None:
    x3, mapping = rest_x3(), everything("customers", "per_party")

    graphql = await members(x3.over_graphql(), mapping, verified=False)
    rest = await members(x3.given(), mapping, verified=False)

    assert rest == graphql


async def test_codes_of_any_characters_are_among_what_is_compared() -> None:
    codes = "".join(rest_x3().codes)

    assert all(odd in codes for odd in ("'A", "\\B", '"C', "é", " D", "/E"))


async def test_backslashes_written_without_escape_make_no_difference() -> None:
    x3 = rest_x3(Settings(rest_bad_escapes=True))
    x3.edit(x3.codes[0], name="C:\\Path\\Was", line1="3 rue d\\Or")

    mapping = everything("customers", "per_party")
    graphql, rest = await members(x3.over_graphql(), mapping), await members(x3.given(), mapping)

    assert json.dumps("C:\\Path\\Was") in json.dumps([made.merge_fields for made in rest if isinstance(made, Member)])
    assert rest == graphql


async def test_named_parties_are_the_same_over_both_ways_in() -> None:
    x3, mapping = rest_x3(), everything("customers", "per_party")
    await x3.verify()
    wanted = [*x3.codes[::3], "NOBODY"]

    found = {}
    for kind, given in (("graphql", x3.over_graphql() | {"facts": {}}), ("rest", x3.given())):
        source = open_source(selection=mapping.selection, **given)
        found[kind] = [party async for page in source.by_codes(wanted) for party in page.parties]

    assert found["rest"] == found["graphql"]
    assert [party.code for party in found["rest"]] == sorted(x3.codes[::3])
