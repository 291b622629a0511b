"""A small Sage X3 in this process, and sources opened on it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from app.connectors.pacing import LocalPacer
from app.connectors.retrying import without_waiting
from app.connectors.sage_x3.opening import open_source
from app.connectors.sage_x3.reader import X3Source
from app.connectors.sage_x3.verify import verify
from app.domain.party import Selection
from app.domain.verification import Verification
from sandbox.data import generate
from sandbox.faults import Fault
from sandbox.x3.app import x3_app
from sandbox.x3.editing import PartyPatch, upsert_party
from sandbox.x3.state import Settings, X3State

URL = "https://x3.acme.test:8124/xtrem/api"

FULL = Selection(
    "customers",
    ("default_address.emails", "default_contact.email", "contacts.email", "addresses.emails"),
    ("code", "name", "category", "country", "is_active", "default_address.line1", "default_address.city",
     "statistical_group_1", "sales_rep_1", "updated_at"),
    ("contact.first_name", "contact.last_name"),
    contacts=True,
)  # fmt: skip
SLIM = Selection("customers", ("default_address.emails",), ("code", "name"))


class FakeOutbound:
    """One client for every TLS setting."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    def client(
        self, *, tls_ca_pem: str | None = None, tls_verify: bool = True, max_connections: int = 20
    ) -> httpx.AsyncClient:
        return self._client


class FakeX3:
    """A sandbox X3 behind an in-process client; counts what is asked of it."""

    def __init__(self, state: X3State, client: httpx.AsyncClient) -> None:
        self.state = state
        self.http = client
        self.outbound = FakeOutbound(client)
        self.facts: dict[str, Any] = {}

    def given(self, **changes: Any) -> dict[str, Any]:
        settings = {"endpoint": "SEED", **changes.pop("settings", {})}
        credential = {
            "client_id": self.state.settings.client_id,
            "client_secret": self.state.settings.client_secret,
            "subject": self.state.settings.username,
        }
        return {
            "kind": "graphql_jwt", "url": URL, "settings": settings, "credential": credential, "facts": self.facts,
            "outbound": self.outbound, "pacer": LocalPacer(2), "token_store": None,
        } | changes  # fmt: skip

    def source(self, selection: Selection = SLIM, **changes: Any) -> X3Source:
        found = open_source(selection=selection, **self.given(**changes))
        assert isinstance(found, X3Source)
        return found

    async def verify(self, **changes: Any) -> Verification:
        found = await verify(**self.given(**changes))
        self.facts = dict(found.facts)
        return found

    def fault(self, kind: str, **more: Any) -> None:
        self.state.faults.add(Fault(kind=kind, **more))  # type: ignore[arg-type]  # tests name kinds as text

    def edit(self, code: str, **changes: Any) -> None:
        upsert_party(self.state, "customers", PartyPatch(code=code, **changes))

    @property
    def codes(self) -> list[str]:
        return self.state.folder.customers.keys

    @property
    def asked(self) -> int:
        return self.state.requests["graphql"]


def fake_x3(settings: Settings | None = None, customers: int = 120, suppliers: int = 30) -> FakeX3:
    state = X3State(generate(customers=customers, suppliers=suppliers, seed=7), settings)
    transport = httpx.ASGITransport(x3_app(state))
    return FakeX3(state, httpx.AsyncClient(transport=transport))


@pytest.fixture
async def x3() -> AsyncIterator[FakeX3]:
    fake = fake_x3()
    yield fake
    await fake.http.aclose()


@pytest.fixture(autouse=True)
def waits() -> Iterator[list[float]]:
    with without_waiting() as waits:
        yield waits
