"""Who is signed in: a random token in the browser, and behind its hash in Redis what only that token opens."""

import hashlib
import os
import secrets
import time

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from redis.asyncio import Redis

IDLE_SECONDS = 30 * 60
LONGEST_SECONDS = 12 * 3600
_NONCE_BYTES = 12
_TOKEN_BYTES = 32


class Session(msgspec.Struct, frozen=True):
    """`key` is the API key that was given; `csrf` must come back with every form; `tenant_id` is None for the
    operator."""

    key: str
    role: str
    tenant_id: str | None
    csrf: str
    began_at: float

    @property
    def is_operator(self) -> bool:
        return self.tenant_id is None

    @property
    def may_operate(self) -> bool:
        return self.role in ("operator", "admin")

    @property
    def may_administer(self) -> bool:
        return self.role == "admin"


class Sessions:
    """Neither the browser's token alone nor what lies in Redis alone gives the API key away. When Redis forgets,
    people sign in again; what ended here has ended everywhere."""

    def __init__(self, redis: "Redis", *, idle_seconds: int = IDLE_SECONDS, longest: int = LONGEST_SECONDS) -> None:
        self._redis = redis
        self._idle_seconds = idle_seconds
        self._longest_seconds = longest

    async def begin(self, key: str, role: str, tenant_id: str | None) -> str:
        """The token for the browser. Raises RedisError."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        session = Session(key, role, tenant_id, secrets.token_urlsafe(_TOKEN_BYTES), time.time())
        place = _place(token)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(_opener(token)).encrypt(nonce, msgspec.json.encode(session), place.encode())
        await self._redis.set(place, sealed, ex=self._idle_seconds)
        return token

    async def find(self, token: str) -> Session | None:
        """The session, which lives on from now; None when it has ended. Raises RedisError."""
        if not 20 <= len(token) <= 100 or not token.isascii():
            return None
        place = _place(token)
        sealed: bytes | None = await self._redis.getex(place, ex=self._idle_seconds)
        if sealed is None:
            return None
        try:
            opened = AESGCM(_opener(token)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except InvalidTag:
            return None
        session = msgspec.json.decode(opened, type=Session)
        if time.time() - session.began_at > self._longest_seconds:
            await self.end(token)
            return None
        return session

    async def end(self, token: str) -> None:
        """From now on the token opens nothing. Raises RedisError."""
        await self._redis.delete(_place(token))


def _place(token: str) -> str:
    return "mlc:console:session:" + hashlib.sha256(b"place" + token.encode()).hexdigest()


def _opener(token: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"ml-connector console session").derive(token.encode())


class Tries:
    """How often an address may try to sign in: `most` times a minute."""

    def __init__(self, redis: "Redis", most: int = 10) -> None:
        self._redis = redis
        self._most = most

    async def allow(self, address: str) -> bool:
        """Count one more. Raises RedisError."""
        place = "mlc:console:tries:" + hashlib.sha256(address.encode()).hexdigest()[:24]
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.incr(place)
            pipe.expire(place, 60, nx=True)
            count, _ = await pipe.execute()
        return int(count) <= self._most

    async def forget(self, address: str) -> None:
        """It succeeded."""
        await self._redis.delete("mlc:console:tries:" + hashlib.sha256(address.encode()).hexdigest()[:24])
