"""Beginning a sign-in at a vendor: the address a browser is sent to, and what is kept of it until the answer comes."""

import hashlib
import secrets
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from app.connections.granting import application_of, application_parts
from app.connections.opening import open_credential
from app.connections.vault import TenantKeys
from app.connectors.mailchimp import oauth
from app.connectors.mailchimp.auth import oauth_base_url
from app.connectors.sage_x3 import authorise
from app.db.base import now
from app.db.connections import Connection
from app.db.oauth_states import OAuthState
from app.domain.errors import NeedsTenant

LIFE = timedelta(minutes=10)
PATHS = {"sage_x3": "/oauth/callback/sage-x3", "mailchimp": "/oauth/callback/mailchimp"}
"""Where each vendor sends the browser back to, under MLC_PUBLIC_URL."""


class Begun(NamedTuple):
    """A sign-in to be stored; the address holds the state, which is not stored."""

    row: OAuthState
    authorize_url: str


def begin(
    keys: TenantKeys,
    connection: Connection,
    *,
    public_url: str,
    actor: str,
    api_key_id: UUID | None,
    approval: timedelta,
) -> Begun:
    """Where to send the browser of whoever may say yes. `approval` is how much longer Sage's approver may take.

    Raises:
        NeedsTenant: this kind of connection has no sign-in, or something it needs for one is missing.
    """
    if connection.kind not in ("graphql_oauth", "oauth"):
        raise NeedsTenant("oauth_not_used", "A connection of this kind is not signed in to: its credential is enough.")
    credential = open_credential(keys, connection.id, connection.credential)
    state = secrets.token_urlsafe(32)
    expires_at, is_x3 = now() + LIFE, connection.system == "sage_x3"
    row = OAuthState(
        tenant_id=connection.tenant_id,
        connection_id=connection.id,
        api_key_id=api_key_id,
        actor=actor,
        state_hash=hash_of(state),
        application=application_of(keys, connection, credential),
        redirect_uri=public_url.rstrip("/") + PATHS[connection.system],
        expires_at=expires_at,
        late_until=expires_at + approval if is_x3 else None,
    )
    return Begun(row, _address(connection, application_parts(credential)[0], row.redirect_uri, state))


def _address(connection: Connection, client_id: str, redirect_uri: str, state: str) -> str:
    if connection.system == "mailchimp":
        login_url = oauth_base_url(connection.settings)
        return oauth.authorize_url(login_url, client_id=client_id, redirect_uri=redirect_uri, state=state)
    customer_url = connection.settings.get("customer_url")
    if not customer_url:
        raise NeedsTenant("x3_customer_url", "Set settings.customer_url to the address of your own Sage X3.")
    return authorise.authorise_url(
        connection.url or "",
        client_id=client_id,
        customer_url=customer_url,
        redirect_uri=redirect_uri,
        state=state,
        scope=connection.settings.get("oauth_scope") or authorise.SCOPE,
    )


def hash_of(state: str) -> bytes:
    """Unkeyed, since the state is as long as the hash."""
    return hashlib.sha256(state.encode()).digest()
