"""How mail servers are reached: resolved once, checked like any outbound call, certificates always verified."""

import ssl
from collections.abc import Sequence

import httpcore

from app.domain.errors import Transient
from app.http.egress import EgressPolicy
from app.http.outbound import resolve, tls_context

PORTS = frozenset({465, 587, 2525})
"""Where mail is handed in; 25 only at hosts the operator allowed, so that nobody makes a spammer of us."""
_RESOLVE_SECONDS = 10.0


class MailWays:
    """`policy` knows the ports of mail."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy

    async def addresses(self, host: str, port: int, *, guarded: bool) -> Sequence[str]:
        """As app.alerts.ports.MailWays wants it."""
        try:
            found = await resolve(host, port, _RESOLVE_SECONDS)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            raise Transient("mail_unresolved", f"The name {host} cannot be resolved.") from None
        if guarded:
            self._policy.check_addresses(host, port, found)
        return [str(address) for address in found]

    def tls(self, ca_pem: str | None) -> ssl.SSLContext:
        return tls_context(ca_pem, verify=True)
