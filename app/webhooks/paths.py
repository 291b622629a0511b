"""Secret paths: made, and found again by their public part; the secret part is known by its keyed hash only."""

import hmac
import re
import secrets
from collections import OrderedDict

import msgspec

from app.connections.vault import CannotOpen, TenantKeys, Vault
from app.db.webhooks import SIGNING_SECRET, Place
from app.webhooks.desk import Desk

MAILCHIMP, MANDRILL = "mailchimp", "mandrill"
TRANSACTIONAL = "transactional"

KNOWN_SECONDS = 30.0
KNOWN_PATHS = 1000

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_ID_LENGTH = 12
_SECRET_LENGTH = 43  # 256 bits in base 62
_SEGMENT = re.compile(rf"([0-9A-Za-z]{{{_KEY_ID_LENGTH}}})([0-9A-Za-z]{{{_SECRET_LENGTH}}})", re.ASCII)
_NOBODY = ("0" * _KEY_ID_LENGTH, "0" * _SECRET_LENGTH)
_NOBODYS_HASH = bytes(32)


class NewPath(msgspec.Struct, frozen=True):
    """A path as it is shown once: `segment` is the last part of the address."""

    key_id: str
    segment: str
    secret_hash: bytes


class LivePath(msgspec.Struct, frozen=True):
    """A path that somebody has just proven to know."""

    place: Place
    keys: TenantKeys
    url: str  # as it was registered
    signing_secret: str | None
    is_stale: bool  # its use has not been noted for a minute


def new_path(keys: TenantKeys) -> NewPath:
    """A fresh secret of the tenant."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_ID_LENGTH))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return NewPath(key_id, key_id + secret, _hash(keys, secret))


def parted(segment: str) -> tuple[str, str] | None:
    """(public part, secret) of a path's last segment."""
    match = _SEGMENT.fullmatch(segment)
    return (match[1], match[2]) if match else None


def is_of(segment: str, keys: TenantKeys, key_id: str, secret_hash: bytes) -> bool:
    """Whether a segment is the secret of a stored path."""
    parts = parted(segment)
    return parts is not None and parts[0] == key_id and hmac.compare_digest(_hash(keys, parts[1]), secret_hash)


def vendor_of(kind: str) -> str:
    """The word in the address that says who may call it."""
    return MANDRILL if kind == TRANSACTIONAL else MAILCHIMP


def url_of(base_url: str, kind: str, segment: str) -> str:
    """The whole address."""
    return f"{base_url.rstrip('/')}/hooks/{vendor_of(kind)}/{segment}"


async def find(desk: Desk, vault: Vault, vendor: str, segment: str) -> LivePath | None:
    """The live path a caller knows; None for unknown, malformed, expired and foreign ones alike, after the same
    work."""
    parts = parted(segment)
    key_id, secret = parts or _NOBODY
    row = await desk.path(key_id)
    if row is None:
        hmac.compare_digest(hmac.digest(_NOBODYS_HASH, secret.encode(), "sha256"), _NOBODYS_HASH)
        return None
    try:
        keys = vault.tenant(row["tenant_id"], row["data_key"], row["data_key_id"])
    except CannotOpen:  # the tenant is being deleted
        return None
    if not hmac.compare_digest(_hash(keys, secret), row["secret_hash"]) or vendor_of(row["kind"]) != vendor:
        return None
    sealed = row["signing_secret"]
    return LivePath(
        Place(row["tenant_id"], row["webhook_id"], row["id"], row["kind"], key_id, sealed),
        keys,
        url_of(row["base_url"], row["kind"], segment),
        keys.open(sealed, row["id"], SIGNING_SECRET).decode() if sealed is not None else None,
        row["is_stale"],
    )


class KnownPaths:
    """Paths that were found a moment ago, by what only who may deliver knows. Whether one is still alive is asked
    again by the statement that stores."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, str], tuple[float, LivePath]] = OrderedDict()

    def get(self, vendor: str, segment: str, now: float) -> LivePath | None:
        """One that was added within the last KNOWN_SECONDS; `now` counts up, in seconds."""
        added_at, path = self._found.get((vendor, segment), (now - KNOWN_SECONDS, None))
        return path if added_at > now - KNOWN_SECONDS else None

    def add(self, vendor: str, segment: str, path: LivePath, now: float) -> None:
        self._found[vendor, segment] = (now, msgspec.structs.replace(path, is_stale=False))
        self._found.move_to_end((vendor, segment))
        if len(self._found) > KNOWN_PATHS:
            self._found.popitem(last=False)


def _hash(keys: TenantKeys, secret: str) -> bytes:
    return keys.secret_hash("webhook-path\x00" + secret)
