"""API keys and OAuth tokens as httpx.Auth; finds the data centre an account lives in.

Keys and tokens both go as `Authorization: Bearer`. Source: Marketing API, "Authentication".
"""

import re
from collections.abc import Generator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from app.domain.errors import NeedsTenant

_DATA_CENTRE = re.compile(r"[a-z]{2,}[0-9]+", re.ASCII)
_LOGIN_URL = "https://login.mailchimp.com"


class BearerAuth(httpx.Auth):
    """Sends a key or token; shows it nowhere else."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Adds the header; there is nothing to refresh."""
        request.headers["Authorization"] = self._header
        yield request

    def __repr__(self) -> str:
        return "BearerAuth(...)"


class Access(NamedTuple):
    """Where an account is and how to enter it."""

    base_url: str  # without a slash at the end
    auth: BearerAuth
    oauth: bool


def open_access(
    kind: str, settings: Mapping[str, object], credential: Mapping[str, object], facts: Mapping[str, object]
) -> Access:
    """The way into the account a connection describes.

    The address is `settings.base_url`, else made from the data centre in the facts or behind the key's last hyphen;
    it is never made from a suffix that does not look like one.

    Raises:
        NeedsTenant: no credential, a malformed one, or the data centre is not known yet.
    """
    oauth = kind == "oauth"
    token = _token(credential.get("access_token" if oauth else "api_key"), oauth)
    given = settings.get("base_url")
    if isinstance(given, str) and given:
        return Access(_checked_url(given), BearerAuth(token), oauth)
    centre = data_centre(kind, credential, facts)
    if centre is None:
        raise NeedsTenant("mailchimp_data_centre_unknown", _no_data_centre(oauth), authorization=False)
    return Access(f"https://{centre}.api.mailchimp.com/3.0", BearerAuth(token), oauth)


def data_centre(kind: str, credential: Mapping[str, object], facts: Mapping[str, object]) -> str | None:
    """The data centre (`us6`) of an account: the key's own suffix first, else what verification learnt."""
    key = credential.get("api_key")
    suffix = key.strip().rpartition("-")[2] if kind == "api_key" and isinstance(key, str) and "-" in key else None
    for candidate in (suffix, facts.get("data_centre")):
        if isinstance(candidate, str) and _DATA_CENTRE.fullmatch(candidate):
            return candidate
    return None


def is_data_centre(text: str) -> bool:
    """Whether a text may become part of a host name as a data centre."""
    return _DATA_CENTRE.fullmatch(text) is not None


def oauth_base_url(settings: Mapping[str, object]) -> str:
    """Where tokens are made and explained: `settings.oauth_base_url`, else Mailchimp's login server."""
    given = settings.get("oauth_base_url")
    return given.rstrip("/") if isinstance(given, str) and given else _LOGIN_URL


def _token(value: object, oauth: bool) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        missing = "Sign in at Mailchimp to authorize this connection." if oauth else "Enter a Mailchimp API key."
        raise NeedsTenant("mailchimp_credential_missing", missing, authorization=oauth)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise NeedsTenant(
            "mailchimp_credential_malformed",
            "The Mailchimp key holds characters no key has; copy it again.",
            authorization=oauth,
        )
    return text


def _checked_url(url: str) -> str:
    """`settings.base_url` with the API version when it has no path of its own."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise NeedsTenant(
            "mailchimp_base_url_invalid", "settings.base_url must be an address such as https://host/3.0."
        )
    return url.rstrip("/") if parts.path.strip("/") else url.rstrip("/") + "/3.0"


def _no_data_centre(oauth: bool) -> str:
    if oauth:
        return "The data centre of this account is not known yet; verify the connection."
    return "The API key must end in a hyphen and a data centre, such as -us6; copy it again from Mailchimp."
