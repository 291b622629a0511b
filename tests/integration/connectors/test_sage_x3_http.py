"""The X3 connector through the real outbound client: TLS of a private authority and a network that misbehaves."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from app.connectors.pacing import LocalPacer
from app.connectors.retrying import without_waiting
from app.connectors.sage_x3.opening import PartySource, open_source
from app.connectors.sage_x3.verify import verify
from app.domain.party import Selection
from app.http import Outbound, open_outbound
from sandbox.server import Addresses, Options, running

pytestmark = pytest.mark.integration

SELECTION = Selection("customers", ("default_address.emails",), ("code", "name", "default_address.city"))
CUSTOMERS = 300


class Served:
    """One sandbox X3 over https and the outbound client to reach it."""

    def __init__(self, found: Addresses, pem: str, outbound: Outbound) -> None:
        self.found = found
        self.pem = pem
        self.outbound = outbound

    def given(self, **settings: Any) -> dict[str, Any]:
        x3 = self.found.x3
        credential = {"client_id": x3["client_id"], "client_secret": x3["client_secret"], "subject": x3["username"]}
        return {
            "kind": "graphql_jwt", "url": x3["graphql_url"], "outbound": self.outbound, "pacer": LocalPacer(2),
            "credential": credential,
            "settings": {"endpoint": x3["endpoint"], "tls_ca_pem": self.pem, "page_size": 100} | settings,
        }  # fmt: skip

    def source(self, **settings: Any) -> PartySource:
        return open_source(selection=SELECTION, facts={}, **self.given(**settings))

    async def fault(self, **fault: Any) -> None:
        client = self.outbound.client(tls_ca_pem=self.pem)
        (await client.post(f"{self.found.x3['url']}/_sandbox/faults", json=fault)).raise_for_status()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    options = Options(
        customers=CUSTOMERS, suppliers=10, tls_cert=str(tmp_path / "cert.pem"), tls_key=str(tmp_path / "key.pem")
    )
    outbound = open_outbound(egress_allow=["127.0.0.0/8"], egress_allow_http=False)
    async with running(options) as found:
        yield Served(found, authority.cert_pem.bytes().decode(), outbound)
        await outbound.aclose()


@pytest.fixture(autouse=True)
def waits() -> Iterator[list[float]]:
    with without_waiting() as waits:
        yield waits


async def read(source: PartySource) -> list[str]:
    return [party.code async for page in source.scan(None, None) for party in page.parties]


async def test_a_connection_over_a_private_authority_is_verified_and_read(served: Served) -> None:
    found = await verify(**served.given())

    assert found.ok, found.checks
    assert len(await read(served.source())) == CUSTOMERS


async def test_an_authority_nobody_vouched_for_is_the_tenants_to_put_right(served: Served) -> None:
    found = await verify(**served.given(tls_ca_pem=None))

    assert not found.ok
    assert "tls_ca_pem" in found.checks[-1].detail


async def test_a_private_address_the_operator_did_not_allow_is_explained(served: Served) -> None:
    closed = open_outbound(egress_allow=[], egress_allow_http=False)

    found = await verify(**(served.given() | {"outbound": closed}))

    await closed.aclose()
    assert not found.ok
    assert "MLC_EGRESS_ALLOW" in found.checks[-1].detail


@pytest.mark.parametrize("kind", ["close", "close_mid_body", "truncated", "html", "bad_gateway", "throttled"])
async def test_a_network_that_fails_for_a_while_loses_nothing(served: Served, kind: str, waits: list[float]) -> None:
    await served.fault(kind=kind, count=2, after=1, path="/xtrem")

    codes = await read(served.source())

    assert len(codes) == len(set(codes)) == CUSTOMERS
    assert len(waits) == 2


@pytest.mark.parametrize("kind", ["hang", "slow_drip"])
async def test_an_answer_that_does_not_come_is_given_up_and_asked_for_again(
    served: Served, kind: str, waits: list[float]
) -> None:
    await served.fault(kind=kind, count=1, seconds=8, path="/xtrem")

    codes = await read(served.source(request_timeout_seconds=1))

    assert len(codes) == CUSTOMERS
    assert len(waits) == 1


async def test_an_answer_larger_than_the_cap_is_asked_for_in_smaller_pages(served: Served) -> None:
    source = served.source(max_body_bytes=20_000)

    sizes = [len(page.parties) async for page in source.scan(None, None)]

    assert sum(sizes) == CUSTOMERS
    assert sizes[0] < 100


async def test_an_x3_that_is_not_there_is_said_to_be_unreachable(served: Served) -> None:
    given = served.given() | {"url": "https://127.0.0.1:9/xtrem/api"}

    found = await verify(**given)

    assert not found.ok
    assert "reached" in found.checks[-1].detail
