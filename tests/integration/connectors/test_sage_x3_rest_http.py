"""REST api1 through the real outbound client: TLS, odd keys in real URLs, a network that misbehaves, no cookies."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from app.connectors.pacing import LocalPacer
from app.connectors.retrying import without_waiting
from app.connectors.sage_x3.opening import PartySource, open_source
from app.connectors.sage_x3.verify import verify
from app.domain.party import Party, Selection
from app.http import Outbound, open_outbound
from sandbox.data import Shares
from sandbox.server import Addresses, Options, running

pytestmark = pytest.mark.integration

CUSTOMERS = 150
WIDE = Selection("customers", ("default_address.emails",), ("code", "name", "default_address.city"))
DEEP = Selection("customers", ("default_address.emails", "contacts.email"), ("code", "name"), contacts=True)


class Served:
    """One sandbox X3 over https and the outbound client to reach it."""

    def __init__(self, found: Addresses, pem: str, outbound: Outbound) -> None:
        self.found = found
        self.pem = pem
        self.outbound = outbound

    def given(self, **settings: Any) -> dict[str, Any]:
        x3 = self.found.x3
        return {
            "kind": "rest_basic", "url": x3["url"], "outbound": self.outbound, "pacer": LocalPacer(2),
            "credential": {"username": x3["username"], "password": x3["password"]},
            "settings": {"endpoint": x3["endpoint"], "tls_ca_pem": self.pem, "page_size": 40} | settings,
        }  # fmt: skip

    def source(self, selection: Selection = WIDE, **settings: Any) -> PartySource:
        return open_source(selection=selection, facts={}, **self.given(**settings))

    async def control(self, method: str, path: str, body: Any) -> None:
        client = self.outbound.client(tls_ca_pem=self.pem)
        (await client.request(method, f"{self.found.x3['url']}/_sandbox/{path}", json=body)).raise_for_status()

    async def fault(self, **fault: Any) -> None:
        await self.control("POST", "faults", {"path": "/api1", **fault})


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    options = Options(
        customers=CUSTOMERS, suppliers=10, shares=Shares(odd_code=0.2),
        tls_cert=str(tmp_path / "cert.pem"), tls_key=str(tmp_path / "key.pem"),
    )  # fmt: skip
    outbound = open_outbound(egress_allow=["127.0.0.0/8"], egress_allow_http=False)
    async with running(options) as found:
        yield Served(found, authority.cert_pem.bytes().decode(), outbound)
        await outbound.aclose()


@pytest.fixture(autouse=True)
def waits() -> Iterator[list[float]]:
    with without_waiting() as waits:
        yield waits


async def read(source: PartySource) -> list[Party]:
    return [party async for page in source.scan(None, None) for party in page.parties]


async def test_a_connection_over_a_private_authority_is_verified_and_read(served: Served) -> None:
    found = await verify(**served.given())

    assert found.ok, found.checks
    assert len(await read(served.source())) == CUSTOMERS


async def test_keys_of_any_characters_reach_the_server_in_lists_and_single_records(served: Served) -> None:
    listed = await read(served.source())
    whole = await read(served.source(DEEP))
    codes = [party.code for party in listed]

    assert any("/" in code for code in codes)
    assert any("\\" in code for code in codes)
    assert [party.code for party in whole] == codes
    named = [party async for page in served.source(DEEP).by_codes(codes) for party in page.parties]
    assert named == whole


async def test_a_link_to_an_inner_host_is_followed_through_the_proxy(served: Served) -> None:
    await served.control("PATCH", "settings", {"rest_link_host": "srv-x3.acme.local:8124"})

    assert len(await read(served.source())) == CUSTOMERS


@pytest.mark.parametrize("kind", ["close", "close_mid_body", "truncated", "html", "bad_gateway", "throttled"])
async def test_a_network_that_fails_for_a_while_loses_nothing(served: Served, kind: str, waits: list[float]) -> None:
    await served.fault(kind=kind, count=2, after=1)

    codes = [party.code for party in await read(served.source())]

    assert len(codes) == len(set(codes)) == CUSTOMERS
    assert len(waits) == 2


@pytest.mark.parametrize("kind", ["close", "truncated", "throttled"])
async def test_single_records_are_asked_for_again(served: Served, kind: str, waits: list[float]) -> None:
    await served.fault(kind=kind, count=3, path=r"BPCUSTOMER\('")

    pages = [page async for page in served.source(DEEP).scan(None, None)]

    assert sum(len(page.parties) for page in pages) == CUSTOMERS
    assert not any(page.refused for page in pages)
    assert len(waits) == 3


async def test_an_answer_larger_than_the_cap_is_asked_for_in_smaller_pages(served: Served) -> None:
    source = served.source(page_size=150, max_body_bytes=70_000)

    sizes = [len(page.parties) async for page in source.scan(None, None)]

    assert sum(sizes) == CUSTOMERS
    assert sizes[0] < 150


async def test_an_answer_that_does_not_come_is_given_up_and_asked_for_again(served: Served, waits: list[float]) -> None:
    await served.fault(kind="hang", count=1, seconds=8)

    assert len(await read(served.source(request_timeout_seconds=1))) == CUSTOMERS
    assert len(waits) == 1
