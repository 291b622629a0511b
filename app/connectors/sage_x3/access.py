"""A connection's plain values become a way into one Sage X3."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import httpx
import msgspec

from app.connectors.pacing import Pacer
from app.connectors.sage_x3.auth import Basic, ConnectedApp
from app.connectors.sage_x3.gateway import GatewayAuth, read_folders
from app.connectors.sage_x3.graphql import GraphQL
from app.connectors.sage_x3.hosts import GATEWAY_HOSTS
from app.connectors.sage_x3.patience import FOR_A_RUN, Patience
from app.connectors.sage_x3.settings import X3Settings
from app.connectors.sage_x3.tokens import TokenStore
from app.domain.errors import NeedsTenant


class Clients(Protocol):
    """Where HTTP clients come from: app.http.Outbound."""

    def client(
        self, *, tls_ca_pem: str | None = None, tls_verify: bool = True, max_connections: int = 20
    ) -> httpx.AsyncClient: ...


class Access(msgspec.Struct, frozen=True):
    """`folders` only for the gateway; `locate` gives the GraphQL URL."""

    graphql: GraphQL
    locate: Callable[[], Awaitable[str]]
    folders: Callable[[], Awaitable[Mapping[str, str]]] | None = None


def open_access(
    *,
    kind: str,
    url: str,
    settings: X3Settings,
    credential: Mapping[str, Any],
    facts: Mapping[str, Any],
    outbound: Clients,
    pacer: Pacer,
    token_store: TokenStore | None = None,
    gateway_hosts: Sequence[str] = GATEWAY_HOSTS,
    patience: Patience = FOR_A_RUN,
) -> Access:
    """Raises:
    NeedsTenant: a part of the credential is missing.
    """
    client = outbound.client(tls_ca_pem=settings.tls_ca_pem, tls_verify=settings.tls_verify)
    if kind == "graphql_oauth":
        return _gateway(client, url, settings, credential, facts, pacer, token_store, gateway_hosts, patience)
    headers = {**settings.headers, **({"x-xtrem-endpoint": settings.endpoint} if settings.endpoint else {})}
    if kind == "graphql_jwt":
        audience = url if settings.jwt_audience is None else settings.jwt_audience
        auth: httpx.Auth = ConnectedApp(
            client_id=part_of(credential, "client_id"),
            client_secret=part_of(credential, "client_secret"),
            subject=credential.get("subject"),
            audience=audience,
            lifetime_seconds=settings.jwt_lifetime_seconds,
            iat_skew_seconds=settings.jwt_iat_skew_seconds,
        )
    elif kind == "graphql_basic":
        audience = None
        auth = Basic(part_of(credential, "username"), part_of(credential, "password"))
    else:
        raise NeedsTenant("x3_kind", f"{kind[:60]!r} is no kind of Sage X3 GraphQL connection.")

    async def locate() -> str:
        return url

    return Access(_graphql(client, url, auth, pacer, settings, headers, audience, patience), locate)


def _gateway(
    client: httpx.AsyncClient,
    url: str,
    settings: X3Settings,
    credential: Mapping[str, Any],
    facts: Mapping[str, Any],
    pacer: Pacer,
    token_store: TokenStore | None,
    gateway_hosts: Sequence[str],
    patience: Patience,
) -> Access:
    auth = gateway_auth(client, url, credential, token_store)

    async def folders() -> Mapping[str, str]:
        async def attempt() -> Mapping[str, str]:
            async with pacer.slot():
                return await read_folders(client, auth, url, gateway_hosts)

        return await patience.answered(attempt)

    async def locate() -> str:
        known = facts.get("graphql_url")
        return known if isinstance(known, str) and known else chosen_folder(await folders(), settings.folder)

    return Access(_graphql(client, locate, auth, pacer, settings, settings.headers, None, patience), locate, folders)


def gateway_auth(
    client: httpx.AsyncClient, url: str, credential: Mapping[str, Any], token_store: TokenStore | None
) -> GatewayAuth:
    """Raises:
    NeedsTenant: nobody has signed in yet, or a part of the credential is missing.
    """
    if token_store is None:
        raise NeedsTenant("x3_authorization", "Sage X3 has not been authorised yet.", authorization=True)
    return GatewayAuth(
        client=client,
        region_url=url,
        client_id=part_of(credential, "client_id"),
        client_secret=part_of(credential, "client_secret"),
        store=token_store,
    )


def chosen_folder(folders: Mapping[str, str], wanted: str | None) -> str:
    """The GraphQL URL of the folder asked for, or of the only one.

    Raises:
        NeedsTenant: there is no such folder, or none was asked for and there are several.
    """
    names = ", ".join(sorted(folders)) or "none"
    if wanted is not None and wanted in folders:
        return folders[wanted]
    if wanted is None and len(folders) == 1:
        return next(iter(folders.values()))
    if wanted is None:
        raise NeedsTenant("x3_folder", f"Set settings.folder to one of the approved folders: {names}.")
    raise NeedsTenant("x3_folder", f"Folder {wanted} is not among the approved ones: {names}.")


def _graphql(
    client: httpx.AsyncClient,
    url: str | Callable[[], Awaitable[str]],
    auth: httpx.Auth,
    pacer: Pacer,
    settings: X3Settings,
    headers: Mapping[str, str],
    audience: str | None,
    patience: Patience,
) -> GraphQL:
    return GraphQL(
        client,
        url,
        auth,
        pacer,
        headers=headers,
        audience=audience,
        patience=patience,
        timeout_seconds=settings.request_timeout_seconds,
        max_body_bytes=settings.max_body_bytes,
    )


def part_of(credential: Mapping[str, Any], name: str) -> str:
    """Raises:
    NeedsTenant: that part of the credential is missing.
    """
    value = credential.get(name)
    if not isinstance(value, str) or not value:
        raise NeedsTenant("x3_credential", f"The credential has no {name}.")
    return value
