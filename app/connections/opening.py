"""A Connection row becomes a live connector: its credential is opened here and nowhere else."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx
import msgspec

from app.connections.pacers import Pacers
from app.connections.tokens import PostgresTokenStore
from app.connections.vault import TenantKeys, Vault
from app.connectors.mailchimp.accounts import MailchimpAccount
from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.batches import Batches
from app.connectors.mailchimp.bulk import BatchDesk, Bulk, member_updates
from app.connectors.mailchimp.client import MailchimpClient
from app.connectors.mailchimp.opening import open_client
from app.connectors.mailchimp.stores import MailchimpStore
from app.connectors.mailchimp.verify import verify as verify_mailchimp
from app.connectors.mailchimp.webhooks import MailchimpWebhooks
from app.connectors.sage_x3.access import Clients, gateway_auth
from app.connectors.sage_x3.gateway import GatewayAuth
from app.connectors.sage_x3.hosts import GATEWAY_HOSTS
from app.connectors.sage_x3.invoice_opening import AnyInvoices, open_invoices
from app.connectors.sage_x3.opening import PartySource, open_source
from app.connectors.sage_x3.settings import read_settings
from app.connectors.sage_x3.verify import verify as verify_sage_x3
from app.db.connections import Connection
from app.db.engine import Database
from app.domain.audience import MirrorRow
from app.domain.commerce import Cancellation, Order
from app.domain.errors import NeedsTenant
from app.domain.invoice import InvoiceSelection
from app.domain.party import Selection
from app.domain.verification import Verification

CREDENTIAL = "credential"
"""The vault field under which a connection's secret is sealed; its row is the connection's id."""

_INTERACTIVE_SECONDS = 15.0
_INTERACTIVE_ATTEMPTS = 2


def seal_credential(keys: TenantKeys, connection_id: UUID, credential: Mapping[str, Any]) -> bytes:
    return keys.seal(msgspec.json.encode(credential), connection_id, CREDENTIAL)


def open_credential(keys: TenantKeys, connection_id: UUID, sealed: bytes | None) -> dict[str, Any]:
    """Raises NeedsTenant when there is none, CannotOpen when it is not this connection's."""
    if sealed is None:
        raise NeedsTenant("credential_missing", "This connection has no credential yet.", authorization=True)
    return msgspec.json.decode(keys.open(sealed, connection_id, CREDENTIAL), type=dict[str, Any])


def must_be_signed_in(connection: Connection) -> None:
    """Stop whoever would only be refused: a connection that waits for a sign-in is not tried by runs.

    Raises:
        NeedsTenant: with the reason that the connection shows.
    """
    if connection.state == "needs_authorization" and "oauth" in connection.kind:
        prefix = "x3" if connection.system == "sage_x3" else "mailchimp"
        reason = connection.state_reason or "Sign in to authorize this connection."
        raise NeedsTenant(f"{prefix}_authorization", reason, authorization=True)


class Opener:
    """Opens connections of any tenant with what the process holds: clients, limiters, key ring."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        outbound: Clients,
        pacers: Pacers,
        gateway_hosts: Sequence[str] = GATEWAY_HOSTS,
    ) -> None:
        self.database = database
        self.vault = vault
        self.outbound = outbound
        self.pacers = pacers
        self.gateway_hosts = gateway_hosts

    def source(
        self,
        keys: TenantKeys,
        connection: Connection,
        selection: Selection,
        *,
        interactive: bool = False,
        pressing: bool = False,
    ) -> PartySource:
        """One stream of a Sage X3 connection; makes no call. `interactive` calls give up after seconds instead of
        minutes, `pressing` ones go before those that read ahead.

        Raises:
            NeedsTenant: not an X3 connection, or its settings or credential cannot work.
        """
        parts = self._sage_x3(keys, connection, pressing=pressing)
        return open_source(selection=selection, facts=connection.facts, interactive=interactive, **parts)

    def invoices(
        self, keys: TenantKeys, connection: Connection, selection: InvoiceSelection, *, interactive: bool = False
    ) -> AnyInvoices:
        """The sales documents of a Sage X3 connection; makes no call. Raises as source()."""
        parts = self._sage_x3(keys, connection)
        return open_invoices(selection=selection, facts=connection.facts, interactive=interactive, **parts)

    def _sage_x3(self, keys: TenantKeys, connection: Connection, *, pressing: bool = False) -> dict[str, Any]:
        """What open_source() and verify() of the connector have in common."""
        if connection.system != "sage_x3" or connection.url is None:
            raise NeedsTenant("wrong_system", "This needs a Sage X3 connection.")
        credential = open_credential(keys, connection.id, connection.credential)
        signed_in = connection.kind == "graphql_oauth" and "access_token" in credential
        store = PostgresTokenStore(self.database, keys, connection.tenant_id, connection.id) if signed_in else None
        return {
            "kind": connection.kind,
            "url": credential.get("endpoint") or connection.url,
            "settings": connection.settings,
            "credential": credential,
            "outbound": self.outbound,
            "gateway_hosts": self.gateway_hosts,
            "pacer": self.pacers.sage_x3(connection.id, connection.settings, pressing=pressing),
            "token_store": store,
        }

    def gateway(self, keys: TenantKeys, connection: Connection) -> GatewayAuth:
        """The token pair of a gateway connection; makes no call. Raises NeedsTenant when nobody has signed in."""
        parts = self._sage_x3(keys, connection)
        client = self.x3_client(connection)
        return gateway_auth(client, parts["url"], parts["credential"], parts["token_store"])

    def x3_client(self, connection: Connection) -> httpx.AsyncClient:
        """The client with the TLS settings of a Sage X3 connection."""
        settings = read_settings(connection.settings)
        return self.outbound.client(tls_ca_pem=settings.tls_ca_pem, tls_verify=settings.tls_verify)

    def account(self, keys: TenantKeys, connection: Connection) -> MailchimpAccount:
        """What a person looks at: audiences and stores of a Mailchimp connection."""
        return MailchimpAccount(self._client(keys, connection, interactive=True))

    def audience(
        self, keys: TenantKeys, connection: Connection, list_id: str, *, interactive: bool = False
    ) -> MailchimpAudience:
        """One audience of a Mailchimp connection; makes no call. `interactive` calls give up after seconds instead of
        minutes.

        Raises:
            NeedsTenant: not a Mailchimp connection, no usable credential, or the data centre is not known.
        """
        return MailchimpAudience(self._client(keys, connection, interactive=interactive), list_id)

    def bulk_updates(
        self, keys: TenantKeys, connection: Connection, list_id: str
    ) -> Bulk[tuple[bytes, bytes], MirrorRow]:
        """Changes of members of one audience in batches of operations; makes no call. Raises as audience() does."""
        return member_updates(self._batches(keys, connection), list_id, oauth=connection.kind == "oauth")

    def bulk_orders(self, keys: TenantKeys, connection: Connection, store_id: str) -> Bulk[Order | Cancellation, str]:
        """Orders of one store in batches of operations; makes no call. Raises as audience() does."""
        store = self.store(keys, connection, store_id)
        return store.bulk(self._batches(keys, connection), oauth=connection.kind == "oauth")

    def batch_desk(self, keys: TenantKeys, connection: Connection) -> BatchDesk:
        """The batches of operations of an account; makes no call. Raises as audience() does."""
        return BatchDesk(self._batches(keys, connection))

    def _batches(self, keys: TenantKeys, connection: Connection) -> Batches:
        return Batches(self._client(keys, connection, interactive=False), self.outbound.client())

    def store(
        self, keys: TenantKeys, connection: Connection, store_id: str, *, interactive: bool = False
    ) -> MailchimpStore:
        """One store of a Mailchimp connection; makes no call. Raises as audience() does."""
        return MailchimpStore(self._client(keys, connection, interactive=interactive), store_id)

    def webhooks(
        self, keys: TenantKeys, connection: Connection, list_id: str | None, *, interactive: bool = False
    ) -> MailchimpWebhooks:
        """Registrations of one audience, or with None the account's for batches. Raises as audience() does."""
        return MailchimpWebhooks(self._client(keys, connection, interactive=interactive), list_id)

    def _client(self, keys: TenantKeys, connection: Connection, *, interactive: bool) -> MailchimpClient:
        parts = self._mailchimp(keys, connection)
        if interactive:
            parts |= {"budget_seconds": _INTERACTIVE_SECONDS, "attempts": _INTERACTIVE_ATTEMPTS}
        return open_client(**parts)

    def _mailchimp(self, keys: TenantKeys, connection: Connection) -> dict[str, Any]:
        """What open_client() and verify() of the connector have in common."""
        if connection.system != "mailchimp":
            raise NeedsTenant("wrong_system", "This needs a Mailchimp connection.")
        credential = open_credential(keys, connection.id, connection.credential)
        base_url = connection.settings.get("base_url") or ""
        return {
            "kind": connection.kind,
            "settings": connection.settings,
            "credential": credential,
            "facts": connection.facts,
            "outbound_client": self.outbound.client(),
            "pacer": self.pacers.mailchimp(connection.id, base_url, connection.facts),
        }

    async def verify(self, keys: TenantKeys, connection: Connection) -> Verification:
        """Ping the real system. Raises NeedsTenant when there is nothing to ping with; vendors' failures are checks."""
        if connection.system == "mailchimp":
            return await verify_mailchimp(**self._mailchimp(keys, connection))
        return await verify_sage_x3(**self._sage_x3(keys, connection))
