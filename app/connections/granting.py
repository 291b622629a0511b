"""What a sign-in brings: a vendor's code becomes parts of a credential and facts, and these go into the connection."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlmodel.ext.asyncio.session import AsyncSession

from app.connections.opening import Opener, open_credential, seal_credential
from app.connections.tokens import stored, without_tokens
from app.connections.vault import TenantKeys
from app.connectors.mailchimp import oauth
from app.connectors.mailchimp.auth import is_data_centre, oauth_base_url
from app.connectors.mailchimp.metadata import read_metadata
from app.connectors.sage_x3 import authorise
from app.connectors.sage_x3.hosts import checked_endpoint
from app.db.base import now
from app.db.connections import Connection
from app.db.engine import driver_connection
from app.db.rows import find
from app.domain.errors import NeedsTenant, Transient

# Learnt with the tokens before: the new ones may lead to another gateway, folder or account.
_OUTDATED = frozenset(
    {"graphql_url", "folders", "gateway_url", "data_centre", "account_id", "account_name", "login_id", "role"}
)


class Reply(msgspec.Struct, frozen=True):
    """What a callback brought of use; `endpoint` only from Sage, and not to be trusted."""

    code: str
    endpoint: str | None = None


class Grant(NamedTuple):
    """Parts of a credential that replace all tokens in it, and facts to be shown."""

    credential: Mapping[str, Any]
    facts: Mapping[str, Any]


def application_of(keys: TenantKeys, connection: Connection, credential: Mapping[str, Any]) -> bytes:
    """Digest of whose secret goes where; a sign-in that began with another one is not finished with this one."""
    place = connection.url if connection.system == "sage_x3" else oauth_base_url(connection.settings)
    return keys.digest(msgspec.json.encode(["oauth", connection.kind, place, credential.get("client_id")]))


def application_parts(credential: Mapping[str, Any]) -> tuple[str, str]:
    """Client id and secret. Raises NeedsTenant when the connection lives from a token alone."""
    client_id, secret = credential.get("client_id"), credential.get("client_secret")
    if not isinstance(client_id, str) or not isinstance(secret, str) or not client_id or not secret:
        raise NeedsTenant(
            "oauth_client_missing", "Give the connection the client id and client secret of a registered application."
        )
    return client_id, secret


async def obtain(opener: Opener, keys: TenantKeys, connection: Connection, redirect_uri: str, reply: Reply) -> Grant:
    """Exchange the code; the secret goes nowhere but to the vendor's own host.

    Raises:
        Transient: no answer, or (`x3_pairing_waits`) nobody has approved yet.
        NeedsTenant: the vendor refuses code or application, or the callback names a foreign host.
        ProtocolMismatch: an answer that is none.
    """
    credential = open_credential(keys, connection.id, connection.credential)
    client_id, client_secret = application_parts(credential)
    parts = {"code": reply.code, "client_id": client_id, "client_secret": client_secret, "redirect_uri": redirect_uri}
    if connection.system == "mailchimp":
        return await _from_mailchimp(opener, connection, parts)
    return await _from_sage_x3(opener, connection, reply.endpoint, parts)


async def _from_sage_x3(
    opener: Opener, connection: Connection, endpoint: str | None, parts: Mapping[str, str]
) -> Grant:
    region = connection.url or ""
    gateway = checked_endpoint(endpoint, region, opener.gateway_hosts)
    granted = await authorise.exchange(opener.x3_client(connection), gateway, **parts)
    ends = granted.tokens.refresh_expires_at
    facts = {"refresh_token_expires_at": ends and ends.isoformat(), "token_renewed_at": now().isoformat()}
    if granted.scope:
        facts["granted_scope"] = granted.scope
    if gateway == region.rstrip("/"):
        return Grant(stored(granted.tokens), facts)
    return Grant({**stored(granted.tokens), "endpoint": gateway}, {**facts, "gateway_url": gateway})


async def _from_mailchimp(opener: Opener, connection: Connection, parts: Mapping[str, str]) -> Grant:
    login_url = oauth_base_url(connection.settings)
    client = opener.outbound.client()
    token = await oauth.exchange(client, login_url, **parts)
    try:
        metadata = await read_metadata(client, login_url, token)
    except Transient:  # the token is ours; verification asks again
        return Grant({"access_token": token}, {})
    return Grant({"access_token": token}, {"data_centre": metadata.dc} if is_data_centre(metadata.dc) else {})


async def keep(db: AsyncSession, keys: TenantKeys, tenant_id: UUID, connection_id: UUID, grant: Grant) -> Connection:
    """Put a grant into its connection, which is to be verified next.

    Raises:
        NeedsTenant: the connection is gone.
    """
    row = await find(db, Connection, tenant_id, connection_id, lock=True)
    if row is None:
        raise NeedsTenant("connection_gone", "The connection no longer exists.")
    credential = without_tokens(open_credential(keys, row.id, row.credential))
    credential.pop("endpoint", None)
    at = await (await driver_connection(db)).fetchval("select clock_timestamp()")
    row.credential = seal_credential(keys, row.id, {**credential, **grant.credential})
    row.credential_version += 1
    kept = {name: value for name, value in row.facts.items() if name not in _OUTDATED}
    row.facts = {**kept, **grant.facts, "authorized_at": at.isoformat()}
    row.state, row.state_reason = "unverified", None
    row.updated_at = now()
    await db.flush()
    return row
