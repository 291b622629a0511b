"""Which hosts may call themselves a Sage gateway: whoever is named in a callback is sent the client secret.

Source: developer.sage.com/x3, "Make API calls"; reference/sage-x3.md 2.1, step 2.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from app.domain.errors import NeedsTenant

GATEWAY_HOSTS = ("-sagex3.com",)
"""What the operator allows unless told otherwise: `api.<region>-sagex3.com`."""

# Nothing that two parsers could read differently: no user name, no escapes, no backslash, no other alphabet.
_ENDPOINT = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*)*)/?",
    re.ASCII,
)


def parse_hosts(text: str) -> tuple[str, ...]:
    """The operator's list: `-sagex3.com` and `.sage.test` are endings, anything else is one host."""
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def is_gateway_host(host: str, hosts: Sequence[str]) -> bool:
    """Whether a host is one of those, or ends like one of those."""
    name = host.lower()
    return any(name.endswith(known) if known[:1] in ("-", ".") else name == known for known in hosts)


def checked_endpoint(endpoint: str | None, region_url: str, hosts: Sequence[str]) -> str:
    """Where all later calls go: what the callback names, else the region asked in the first place.

    A host is taken when the operator's list has it, or when it is the region's own. To be asked before any secret
    is sent.

    Raises:
        NeedsTenant: `x3_endpoint`, the callback names another place.
    """
    if not endpoint:
        return region_url.rstrip("/")
    found = _ENDPOINT.fullmatch(endpoint.strip())
    ours = urlsplit(region_url)
    if found is None or found["scheme"] != ours.scheme or ".." in found["host"]:
        raise _foreign()
    port = int(found["port"]) if found["port"] else None
    if port not in (None, _usual(ours.scheme), ours.port):
        raise _foreign()
    own = found["host"] == ours.hostname and (port or _usual(ours.scheme)) == (ours.port or _usual(ours.scheme))
    if not own and not is_gateway_host(found["host"], hosts):
        raise _foreign()
    return endpoint.strip().rstrip("/")


def _usual(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _foreign() -> NeedsTenant:
    return NeedsTenant(
        "x3_endpoint",
        "The answer names a gateway that is not one of Sage's, so nothing was sent there; start the sign-in again.",
        authorization=True,
    )
