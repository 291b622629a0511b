"""Which hosts, ports and addresses a tenant's connection may reach. Tenants choose hosts, the operator the policy."""

import fnmatch
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Literal

import httpx

from app.domain.errors import NeedsTenant

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DEFAULT_PORTS = frozenset({443, 3310, 8124, 8125, 8443})
"""Where Sage X3 and Mailchimp listen; hosts the operator allowed by name or network may use any port."""


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part) for part in text.split())


# Nobody's business, whatever the operator allows: unspecified, link-local, cloud metadata, multicast, reserved.
_NEVER = _networks(
    "0.0.0.0/8 100.100.100.200/32 168.63.129.16/32 169.254.0.0/16 192.0.0.0/24 224.0.0.0/4 240.0.0.0/4"
    " ::/128 fd00:ec2::254/128 fe80::/10 fec0::/10 ff00::/8"
)
# Only where the operator allows it. Not left to ipaddress: it calls 100.64.0.0/10 neither private nor global.
_PRIVATE = _networks(
    "10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24"
    " 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24"
    " ::1/128 fc00::/7 2001::/23 2001:db8::/32"
)
_GLOBAL_V6 = ip_network("2000::/3")
_NAT64 = _networks("64:ff9b::/96 64:ff9b:1::/48 ::/96 ::ffff:0:0:0/96")


def unwrapped(address: Address) -> Address:
    """The IPv4 address that a v4-mapped, v4-compatible, NAT64 or 6to4 address leads to; others as they are."""
    if isinstance(address, IPv4Address) or address in _LOOPBACK_V6:
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and any(address in network for network in _NAT64):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return address if inner is None else inner


_LOOPBACK_V6 = (IPv6Address("::1"), IPv6Address("::"))


def reach(address: Address) -> Literal["public", "private", "never"]:
    """What kind of place an address is, by our own tables."""
    target = unwrapped(address)
    if any(target in network for network in _NEVER):
        return "never"
    if any(target in network for network in _PRIVATE):
        return "private"
    return "public" if isinstance(target, IPv4Address) or target in _GLOBAL_V6 else "never"


class EgressPolicy:
    """What the operator allows.

    `allow` holds CIDRs, addresses and host patterns (`localhost`, `*.acme.test`): places that may be private and may
    use any port. A host matching a pattern still may not lead to link-local, metadata or multicast addresses.

    Raises:
        ValueError: an entry with a slash that is no network.
    """

    def __init__(
        self, allow: Sequence[str] = (), *, allow_http: bool = False, ports: Iterable[int] = DEFAULT_PORTS
    ) -> None:
        self._networks = tuple(network for entry in allow if (network := _network(entry)) is not None)
        self._patterns = tuple(entry.lower().rstrip(".") for entry in allow if _network(entry) is None)
        self._allow_http = allow_http
        self._ports = frozenset(ports) | ({80} if allow_http else set())

    def check_url(self, url: httpx.URL) -> None:
        """Raises:
        NeedsTenant: not https (nor permitted http), no host, or credentials inside the URL.
        """
        if url.scheme != "https" and not (url.scheme == "http" and self._allow_http):
            raise NeedsTenant("egress_scheme", "The address must begin with https://.")
        if not url.host:
            raise NeedsTenant("egress_host", "The address names no host.")
        if url.userinfo:
            raise NeedsTenant("egress_userinfo", "The address must not hold a user name or password.")

    def check_addresses(self, host: str, port: int, addresses: Sequence[Address]) -> None:
        """Every address a host resolves to must be allowed, so that a mixed answer gains nothing.

        Raises:
            NeedsTenant: one of them is private and not allowed, or the port is none of ours.
        """
        named = self._names(host)
        for address in addresses:
            kind = reach(address)
            allowed = named or self._holds(address)
            if kind == "never" or (kind == "private" and not allowed):
                raise NeedsTenant(
                    "egress_blocked",
                    f"{host} leads to an address this service may not call. "
                    "If it is your own server, the operator can allow it with MLC_EGRESS_ALLOW.",
                    f"{kind} address",
                )
            if not allowed and port not in self._ports:
                ports = ", ".join(str(known) for known in sorted(self._ports))
                raise NeedsTenant("egress_port", f"Port {port} of {host} may not be called; allowed are {ports}.")

    def _names(self, host: str) -> bool:
        name = host.lower().rstrip(".")
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._patterns)

    def _holds(self, address: Address) -> bool:
        target = unwrapped(address)
        return any(target in network for network in self._networks)


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        if "/" in entry:
            raise
        return None
