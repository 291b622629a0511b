"""A connection's settings, checked: what a tenant may switch about one Sage X3. All have defaults."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from app.connectors.sage_x3.paths import NODES, parse_path
from app.connectors.sage_x3.rest.settings import RestRows, check_rest
from app.domain.errors import NeedsTenant

Seconds = float


class X3Settings(msgspec.Struct, frozen=True, kw_only=True):
    """As in CONTRACT section 3; unknown settings are somebody else's. Audience None means: the URL as typed."""

    endpoint: str | None = None
    folder: str | None = None
    jwt_audience: str | None = None
    jwt_lifetime_seconds: int = 300
    jwt_iat_skew_seconds: int = 30
    tls_ca_pem: str | None = None
    tls_verify: bool = True
    generation: Literal["auto", "x3", "xtremX3"] = "auto"
    page_size: int = 500
    request_timeout_seconds: Seconds = 60.0
    filter_dialect: Literal["json", "relaxed"] = "json"
    max_body_bytes: int = 16 * 1024 * 1024
    headers: dict[str, str] = {}
    fields: dict[str, dict[str, str]] = {}
    rest: dict[str, RestRows] = {}
    link_hosts: list[str] = []  # names of this X3 that its paging links may hold


def read_settings(given: Mapping[str, Any] | X3Settings) -> X3Settings:
    """Raises:
    NeedsTenant: a setting of the wrong type, or a path that is none.
    """
    if isinstance(given, X3Settings):
        return given
    try:
        settings = msgspec.convert({name: value for name, value in given.items() if value is not None}, X3Settings)
    except msgspec.ValidationError as error:
        raise NeedsTenant("x3_settings", f"The settings of the connection are not valid: {error}.") from None
    for stream, fields in settings.fields.items():
        if stream not in NODES and stream != "invoices":
            raise NeedsTenant("x3_settings", f"settings.fields names {stream[:60]!r}, which is no stream.")
        for path in fields.values():
            parse_path(path)
    check_rest(settings.rest)
    if not 1 <= settings.page_size <= 10_000 or not 1 <= settings.request_timeout_seconds <= 600:
        raise NeedsTenant("x3_settings", "page_size must be 1 to 10000 and request_timeout_seconds 1 to 600.")
    if not 1 <= settings.jwt_lifetime_seconds <= 86_400 or not 0 <= settings.jwt_iat_skew_seconds <= 3600:
        raise NeedsTenant("x3_settings", "jwt_lifetime_seconds must be 1 to 86400, jwt_iat_skew_seconds 0 to 3600.")
    return settings
