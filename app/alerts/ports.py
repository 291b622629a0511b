"""What alerts need from outside: ways to reach receivers, and how sending ended."""

import ssl
from collections.abc import Sequence
from typing import Protocol

import httpx
import msgspec


class Clients(Protocol):
    """Guarded HTTP clients: app.http.Outbound."""

    def client(
        self, *, tls_ca_pem: str | None = None, tls_verify: bool = True, max_connections: int = 20
    ) -> httpx.AsyncClient: ...


class MailWays(Protocol):
    """How mail servers are reached: app.http.mail."""

    async def addresses(self, host: str, port: int, *, guarded: bool) -> Sequence[str]:
        """Addresses of a host to connect to; `guarded` ones are checked against the egress rules.

        Raises:
            NeedsTenant: the rules do not allow it.
            Transient: the name cannot be resolved.
        """
        ...

    def tls(self, ca_pem: str | None) -> ssl.SSLContext:
        """What a server's certificate is checked with. Raises NeedsTenant when `ca_pem` holds no certificate."""
        ...


class Outcome(msgspec.Struct, frozen=True):
    """How one attempt ended, in a sentence for people.

    `status` is HTTP's or SMTP's; `again_in` the seconds the receiver asked us to wait; `is_final` says that trying
    again is of no use, `is_gone` that the receiver wants no message ever again.
    """

    ok: bool
    sentence: str
    status: int | None = None
    again_in: float | None = None
    is_final: bool = False
    is_gone: bool = False
