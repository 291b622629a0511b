"""The stand-ins of the benchmark answer what the product sends, in the shape it reads. No test looks at the time."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.connectors.mailchimp.accounts import MailchimpAccount
from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.auth import open_access
from app.connectors.mailchimp.client import MailchimpClient
from app.connectors.pacing import LocalPacer
from app.connectors.sage_x3.opening import open_source
from app.connectors.sage_x3.reader import X3Source
from app.connectors.sage_x3.verify import verify
from app.domain.audience import NewMember
from app.domain.inactive import parse_inactive
from app.domain.mapping import compile_mapping, parse_mapping
from app.domain.member import Member, subscriber_hash
from bench.contenders.reading import QUERY, pages
from bench.mailchimp import API_KEY, LIST_ID, Mailchimp
from bench.x3 import X3

MAPPING = compile_mapping(parse_mapping({"stream": "customers"}), inactive=parse_inactive(None))


class Plain:
    """Clients for one application in this process."""

    def __init__(self, app: Any) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://stand-in")

    def client(self, **_: Any) -> httpx.AsyncClient:
        return self._client


def given(x3: X3) -> dict[str, Any]:
    return {
        "kind": "graphql_basic",
        "url": "http://stand-in/xtrem/api",
        "settings": {"page_size": 40},
        "credential": {"username": "a", "password": "b"},
        "outbound": Plain(x3),
        "pacer": LocalPacer(4),
    }


def source(x3: X3) -> X3Source:
    return open_source(facts={}, selection=MAPPING.selection, **given(x3))


@pytest.fixture
def x3() -> X3:
    return X3(records=100, page_seconds=0.0)


@pytest.fixture
async def mailchimp() -> AsyncIterator[tuple[Mailchimp, MailchimpClient]]:
    app = Mailchimp()
    async with Plain(app).client() as http:
        access = open_access("api_key", {"base_url": "http://stand-in/3.0"}, {"api_key": API_KEY}, {})
        yield app, MailchimpClient(http, access, LocalPacer(8))


async def members(x3: X3, after: str | None = None, until: str | None = None) -> list[Member]:
    found = []
    async for page in source(x3).scan(after, until):
        for party in page.parties:
            found += [made for made in MAPPING.members(party) if isinstance(made, Member)]
    return found


async def test_every_customer_is_read_once_and_becomes_a_member(x3: X3) -> None:
    found = await members(x3)

    assert [member.code for member in found] == [f"C{number:07d}" for number in range(1, 101)]
    assert len({member.hash for member in found}) == 100
    assert set(found[0].merge_fields) >= {"FNAME", "LNAME", "COMPANY", "PHONE", "CITY", "POSTCODE", "COUNTRY"}
    assert x3.traffic.unexpected == []


async def test_ranges_of_keys_bounds_and_count_are_answered(x3: X3) -> None:
    assert await source(x3).count() == 100
    assert await source(x3).bounds() == ("C0000001", "C0000100")
    assert [m.code for m in await members(x3, "C0000003", "C0000005")] == ["C0000004", "C0000005"]


async def test_only_customers_changed_since_are_named_by_the_lanes(x3: X3) -> None:
    since = datetime.now(UTC) - timedelta(minutes=17)
    before = await members(x3)
    assert [code async for page in source(x3).changes(since) for code in page.codes] == []

    x3.customers.change(2)

    assert [code async for page in source(x3).changes(since) for code in page.codes] == ["C0000001", "C0000002"]
    assert [party.code async for page in source(x3).by_codes(["C0000002"]) for party in page.parties] == ["C0000002"]
    after = await members(x3)
    assert [m.code for m, old in zip(after, before, strict=True) if m != old] == ["C0000001", "C0000002"]
    assert x3.traffic.unexpected == []


async def test_verification_passes(x3: X3) -> None:
    result = await verify(facts={}, **given(x3))

    assert result.ok, result.checks
    assert result.facts["count"] == 100


async def test_a_filter_nobody_sends_is_noted(x3: X3) -> None:
    async with Plain(x3).client() as http:
        body = {"query": QUERY, "variables": {"first": 5, "filter": '{"name":{"_eq":"x"}}'}}
        assert (await http.post("/xtrem/api", json=body)).json()["data"] is None

    assert len(x3.traffic.unexpected) == 1


async def test_the_baselines_read_the_same_customers(x3: X3) -> None:
    async with Plain(x3).client() as http:
        answer = (await http.post("/xtrem/api", json={"query": QUERY, "variables": {"first": 50}})).json()
    wanted = {member.email: member.merge_fields for member in await members(x3)}

    made = next(pages(lambda _: answer, 50))

    assert len(made) == 50
    assert {m["email_address"]: m["merge_fields"] for m in made}.items() <= wanted.items()


def rows(count: int) -> list[NewMember]:
    emails = [f"person.{number}@example-trade.eu" for number in range(count)]
    return [NewMember(subscriber_hash(email), email, b'"merge_fields":{"CITY":"Lyon"}', ("a",)) for email in emails]


async def test_batches_are_counted_and_answered_in_real_size(mailchimp: tuple[Mailchimp, MailchimpClient]) -> None:
    app, client = mailchimp

    result = await MailchimpAudience(client, LIST_ID).insert(rows(200), "transactional")

    seen = app.statistics()
    assert len(result.created) == 200
    assert (seen["members"], seen["distinct"], seen["largest_batch"], seen["throttled"]) == (200, 200, 200, 0)
    assert 3000 < len(app._stored("size@example-trade.eu", b"{}")) < 4500


async def test_members_are_listed_changed_and_tagged(mailchimp: tuple[Mailchimp, MailchimpClient]) -> None:
    app, client = mailchimp
    audience = MailchimpAudience(client, LIST_ID)
    await audience.insert(rows(3), "transactional")

    changed = await audience.update(rows(1)[0].hash, None, b'"merge_fields":{"CITY":"Nice"}', {})
    await audience.set_tags(rows(1)[0].hash, ["x"], [])

    assert changed.merge_fields == {"CITY": "Nice"}
    assert sum([len(page) async for page in audience.members(since=None)]) == 3
    assert [page async for page in audience.members(since=datetime.now(UTC) + timedelta(hours=1))] == []
    assert app.traffic.unexpected == []


async def test_the_account_is_told_and_missing_merge_fields_are_made(
    mailchimp: tuple[Mailchimp, MailchimpClient],
) -> None:
    app, client = mailchimp
    audience = MailchimpAudience(client, LIST_ID)

    await MailchimpAccount(client).ping()
    made = await audience.create_merge_field("KIND", "Kind", "text")

    assert (await MailchimpAccount(client).account()).role == "owner"
    assert [listed.id for listed in await MailchimpAccount(client).lists()] == [LIST_ID]
    assert made.tag == "KIND"
    assert {field.tag for field in await audience.merge_fields()} >= {"FNAME", "X3CODE", "KIND"}
    assert app.traffic.unexpected == []


async def test_more_calls_than_allowed_are_refused(mailchimp: tuple[Mailchimp, MailchimpClient]) -> None:
    app, _ = mailchimp
    app.traffic.in_flight = 10

    async with Plain(app).client() as http:
        assert (await http.get("/3.0/ping")).status_code == 429

    assert app.statistics()["throttled"] == 1
