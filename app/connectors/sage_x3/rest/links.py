"""Paging links: only their query is taken, and only when they lead to this X3; the address is always our own.

Source: reference/sage-x3.md 5.2 (`$links.$next`).
"""

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

from app.domain.errors import NeedsTenant, ProtocolMismatch

_INTERNAL = (".local", ".internal", ".lan", ".intranet", ".corp", ".home", ".private", ".localdomain", ".home.arpa")
_COUNT = re.compile(r"(?<![^&])count=[^&]*")


def follow(current: str, told: str, allowed: Collection[str]) -> str:
    """The URL of the next page on our own address. A link may name an inner host of this X3 (behind a proxy they
    usually do); a foreign one is refused. `/sdata/` is never followed: it would take a licence.

    Raises:
        NeedsTenant: the link leads to a host that is neither ours nor inner nor allowed.
        ProtocolMismatch: it leads to another list than this one, or is no link.
    """
    here = urlsplit(current)
    try:
        there = urlsplit(urljoin(current, told))
        host = (there.hostname or "").rstrip(".")
    except ValueError:
        raise ProtocolMismatch("x3_link", "Sage X3's link to the next page is no address.") from None
    if not is_ours(host, here.hostname or "", allowed):
        raise NeedsTenant(
            "x3_link_host",
            f"Sage X3's link to the next page leads to {host[:100] or 'nowhere'}, not to {here.hostname}, so it is not "
            "followed. If that is a name of this X3, add it to settings.link_hosts.",
        )
    if _list_of(there) != _list_of(here) or not there.query:
        raise ProtocolMismatch("x3_link", "Sage X3's link to the next page leads to another list.")
    return here._replace(query=there.query, fragment="").geturl()


def _list_of(url: SplitResult) -> list[str]:
    """Endpoint and class: the last two parts of the path."""
    return [part for part in url.path.split("/") if part][-2:]


def is_ours(host: str, own: str, allowed: Collection[str]) -> bool:
    """Whether a link's host may be exchanged for our own: itself, allowed, a neighbour in its domain, or inner."""
    host, own = host.lower(), own.lower().rstrip(".")
    if not host:
        return False
    if host == own or host in (name.lower().rstrip(".") for name in allowed):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        pass
    domain = own.partition(".")[2]
    return "." not in host or host.endswith(_INTERNAL) or ("." in domain and host.endswith(f".{domain}"))


def with_count(url: str, count: int) -> str:
    """The same page in another size."""
    parts = urlsplit(url)
    query = _COUNT.sub(f"count={count}", parts.query)
    if query == parts.query and f"count={count}" not in query:
        query += f"&count={count}"
    return parts._replace(query=query).geturl()
