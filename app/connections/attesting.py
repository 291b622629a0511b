"""Signs what a tenant takes away, so that anybody can check it later without us: Ed25519, as a compact JWS.

Sources: RFC 7515 (JWS), RFC 8037 (EdDSA in JOSE), RFC 7638 (thumbprint of a key).
"""

import base64
import hashlib
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key


class BadSignature(Exception):
    """Not signed by this key, altered, or no signature at all; the message says which."""


class Signer:
    """One private key. `seed` is 32 secret bytes; the same seed is the same key, for ever."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(self._private.public_key())

    def sign(self, claims: dict[str, Any]) -> str:
        """`header.claims.signature`, each in base64url. The header names algorithm and key."""
        header = {"alg": "EdDSA", "kid": self.public.kid, "typ": "JWS"}
        message = ".".join(_text(msgspec.json.encode(part)) for part in (header, claims))
        return f"{message}.{_text(self._private.sign(message.encode()))}"


class PublicKey:
    """What whoever checks must know beforehand."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes) -> "PublicKey":
        """Raises ValueError for anything but an Ed25519 public key."""
        key = load_pem_public_key(pem)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not an Ed25519 key")
        return cls(key)

    @property
    def pem(self) -> str:
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def jwk(self) -> dict[str, str]:
        return {"crv": "Ed25519", "kty": "OKP", "x": _text(self._key.public_bytes(Encoding.Raw, PublicFormat.Raw))}

    @property
    def kid(self) -> str:
        """The thumbprint of the key: equal keys have equal ones."""
        return _text(hashlib.sha256(msgspec.json.encode(self.jwk, order="sorted")).digest())

    def claims(self, jws: str) -> dict[str, Any]:
        """What was signed. Raises BadSignature."""
        try:
            header, claims, signature = jws.split(".")
            told = msgspec.json.decode(_bytes(header))
            if told.get("alg") != "EdDSA" or told.get("kid") != self.kid:
                raise BadSignature("signed by another key than this one")
            self._key.verify(_bytes(signature), f"{header}.{claims}".encode())
            found: dict[str, Any] = msgspec.json.decode(_bytes(claims), type=dict[str, Any])
        except InvalidSignature:
            raise BadSignature("the signature does not fit: it was altered, or made by another key") from None
        except (ValueError, AttributeError, msgspec.MsgspecError):
            raise BadSignature("no signature that can be read") from None
        return found


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
