"""Seal and open secrets: AES-256-GCM under per-tenant data keys, wrapped by a versioned master keyring."""

import base64
import binascii
import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.connections.attesting import Signer

FORMAT = b"\x01"
NONCE_BYTES = 12
KEPT_TENANTS = 4096
EXAMPLES = {b"\x00" * 32, b"0" * 32, b"changeme".ljust(32, b"\x00")}


class UnknownKey(Exception):
    """A master key id that this process does not hold; its operator must add it to MLC_MASTER_KEYS."""


class CannotOpen(Exception):
    """Sealed bytes that were altered, moved to another row, field or tenant, or sealed by another key."""


def parse_keyring(text: str) -> "OrderedDict[str, bytes]":
    """`id:base64,id:base64`, first is active; each key 32 bytes. Raises ValueError with a sentence, never the key."""
    keys: OrderedDict[str, bytes] = OrderedDict()
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key_id, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError(f"MLC_MASTER_KEYS: key {key_id!r} is not base64") from None
        if not key_id or len(key_id) > 64 or len(key) != 32:
            raise ValueError(
                "MLC_MASTER_KEYS wants id:base64 pairs of 32-byte keys; make one with: openssl rand -base64 32"
            )
        if key in EXAMPLES or len(set(key)) < 8:
            raise ValueError(f"MLC_MASTER_KEYS: key {key_id!r} is an example or far too simple")
        if key_id in keys:
            raise ValueError(f"MLC_MASTER_KEYS: key id {key_id!r} appears twice")
        keys[key_id] = key
    if not keys:
        raise ValueError("MLC_MASTER_KEYS holds no key; make one with: openssl rand -base64 32")
    return keys


class TenantKeys:
    """What one tenant's data key can do: seal, open, digest. Lives in memory only."""

    def __init__(self, tenant_id: UUID, data_key: bytes) -> None:
        self._tenant = tenant_id.bytes
        self._aead = AESGCM(_derived(data_key, b"seal"))
        self._pepper = _derived(data_key, b"digest")
        self._keyed = hashlib.blake2b(key=self._pepper, digest_size=16)
        self._seed = _derived(data_key, b"attest")

    def seal(self, plain: bytes, row: UUID | bytes, field: str) -> bytes:
        """Ciphertext bound to this tenant, row and field; 29 bytes longer than `plain`."""
        nonce = os.urandom(NONCE_BYTES)
        return FORMAT + nonce + self._aead.encrypt(nonce, plain, self._bound(row, field))

    def seal_many(self, plains: Sequence[bytes], row: UUID | bytes, field: str) -> list[bytes]:
        """As seal(), for many values of one row and field: what they have in common is made once."""
        bound, encrypt = self._bound(row, field), self._aead.encrypt
        drawn = os.urandom(NONCE_BYTES * len(plains))
        nonces = [drawn[at : at + NONCE_BYTES] for at in range(0, len(drawn), NONCE_BYTES)]
        return [
            b"%b%b%b" % (FORMAT, nonce, encrypt(nonce, plain, bound))
            for nonce, plain in zip(nonces, plains, strict=True)
        ]

    def open(self, sealed: bytes, row: UUID | bytes, field: str) -> bytes:
        """Raises CannotOpen unless `sealed` was made by seal() for the same tenant, row and field."""
        if sealed[:1] != FORMAT:
            raise CannotOpen("unknown sealed format")
        nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, body, self._bound(row, field))
        except InvalidTag:
            raise CannotOpen("sealed value does not belong here or was altered") from None

    def digest(self, value: bytes) -> bytes:
        """16 bytes that stand for a value of this tenant in audit rows and suppressions: keyed BLAKE2b."""
        hasher = self._keyed.copy()
        hasher.update(value)
        return hasher.digest()

    @property
    def signer(self) -> Signer:
        """Signs what the tenant takes away. Nobody can who has the database alone: the key comes from the data key,
        which lies there under a master key."""
        return Signer(self._seed)

    def secret_hash(self, secret: str) -> bytes:
        """Keyed hash under which an API key's secret is stored."""
        return hmac.digest(self._pepper, b"api-key\x00" + secret.encode(), "sha256")

    def _bound(self, row: UUID | bytes, field: str) -> bytes:
        return b"\x00".join((FORMAT, self._tenant, row.bytes if isinstance(row, UUID) else row, field.encode()))


class Vault:
    """The master keyring: makes, wraps, unwraps and re-wraps tenants' data keys."""

    def __init__(self, master_keys: str) -> None:
        self._keys = parse_keyring(master_keys)
        self.active_key_id = next(iter(self._keys))
        self._tenants: OrderedDict[tuple[UUID, bytes], TenantKeys] = OrderedDict()

    def new_data_key(self, tenant_id: UUID) -> tuple[bytes, str]:
        """A fresh wrapped data key and the id of the master key that wraps it."""
        return self._wrap(tenant_id, os.urandom(32)), self.active_key_id

    def rewrap(self, tenant_id: UUID, wrapped: bytes, key_id: str) -> tuple[bytes, str]:
        """The same data key under the active master key."""
        return self._wrap(tenant_id, self._unwrap(tenant_id, wrapped, key_id)), self.active_key_id

    def tenant(self, tenant_id: UUID, wrapped: bytes, key_id: str) -> TenantKeys:
        """Raises UnknownKey when the wrapping master key is not in the ring, CannotOpen when it does not fit."""
        known = self._tenants.get((tenant_id, wrapped))
        if known is None:
            known = TenantKeys(tenant_id, self._unwrap(tenant_id, wrapped, key_id))
            self._tenants[tenant_id, wrapped] = known
            if len(self._tenants) > KEPT_TENANTS:
                self._tenants.popitem(last=False)
        return known

    def _wrap(self, tenant_id: UUID, data_key: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        bound = self._bound(tenant_id, self.active_key_id)
        return FORMAT + nonce + AESGCM(self._keys[self.active_key_id]).encrypt(nonce, data_key, bound)

    def _unwrap(self, tenant_id: UUID, wrapped: bytes, key_id: str) -> bytes:
        master = self._keys.get(key_id)
        if master is None:
            raise UnknownKey(f"master key {key_id!r} is not in MLC_MASTER_KEYS")
        nonce, body = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
        try:
            return AESGCM(master).decrypt(nonce, body, self._bound(tenant_id, key_id))
        except InvalidTag:
            raise CannotOpen("the data key does not belong to this tenant or master key") from None

    @staticmethod
    def _bound(tenant_id: UUID, key_id: str) -> bytes:
        return b"\x00".join((FORMAT, b"data-key", tenant_id.bytes, key_id.encode()))


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, b"ml-connector/" + purpose, "sha256")
