"""Mail servers: a tenant's own, or the one the operator offers to all."""

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec

Security = Literal["tls", "starttls", "none"]
PORTS: dict[str, int] = {"tls": 465, "starttls": 587, "none": 25}
ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$"
_SECURITY: dict[str, Security] = {"smtps": "tls", "smtp": "starttls", "smtp+plain": "none"}
_WRONG = (
    "MLC_SMTP_URL must be smtps://user:password@host:465, or smtp:// with port 587 and STARTTLS,"
    " or smtp+plain:// for a server in your own network"
)


class Relay(msgspec.Struct, frozen=True):
    """`security`: `tls` from the first byte, `starttls` (never without), `none`. `guarded` servers were chosen by a
    tenant: the egress rules hold for them."""

    host: str
    port: int
    security: Security
    sender: str
    username: str | None = None
    password: str | None = None
    tls_ca_pem: str | None = None
    guarded: bool = True


def operators_relay(url: str, sender: str) -> Relay | None:
    """What MLC_SMTP_URL and MLC_SMTP_FROM name; None when neither is set. Raises ValueError with a sentence, without
    the password."""
    if not url and not sender:
        return None
    if not url or not re.fullmatch(ADDRESS, sender, re.ASCII):
        raise ValueError("MLC_SMTP_URL and MLC_SMTP_FROM (an address such as alerts@acme.test) need each other")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_WRONG) from None
    security = _SECURITY.get(parts.scheme)
    if security is None or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(_WRONG)
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return Relay(parts.hostname, port or PORTS[security], security, sender, username, password, guarded=False)


def tenants_relay(smtp: Mapping[str, Any], password: str | None, tls_ca_pem: str | None) -> Relay:
    """A channel's own server, from its stored settings."""
    return Relay(
        smtp["host"],
        smtp["port"],
        smtp["security"],
        smtp["from_address"],
        smtp.get("username"),
        password,
        tls_ca_pem,
    )
