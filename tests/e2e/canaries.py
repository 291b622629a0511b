"""Values that must never be seen, every way they may be written, and where to look for them."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import asyncpg
from redis.asyncio import Redis


@dataclass(frozen=True)
class Canary:
    """`kind`: secret (nowhere in clear), address (nowhere but sealed), name (likewise)."""

    kind: str
    value: str

    def spellings(self, *, hashed: bool) -> Iterator[bytes]:
        """How the value could stand there; `hashed` adds Mailchimp's name for an address, which tells who it is."""
        for text in {self.value, self.value.lower(), quote(self.value, safe=""), json.dumps(self.value)[1:-1]}:
            yield text.encode()
            yield text.encode().hex().encode()
            yield base64.b64encode(text.encode()).rstrip(b"=")[:-1]
        if hashed and self.kind == "address":
            yield hashlib.md5(self.value.lower().encode(), usedforsecurity=False).hexdigest().encode()


def found_in(place: bytes, canaries: Mapping[str, Canary], *, hashed: bool = False) -> list[str]:
    """The names of the canaries that stand in `place`."""
    lowered = place.lower()
    return [
        name
        for name, canary in canaries.items()
        if any(spelling in place or spelling.lower() in lowered for spelling in canary.spellings(hashed=hashed))
    ]


async def dump(database_url: str) -> dict[str, bytes]:
    """Every table's rows as text, as pg_dump would write them."""
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetch(
            "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
            " and not relispartition order by 1"
        )
        return {row["relname"]: await _copied(connection, row["relname"]) for row in tables}
    finally:
        await connection.close()


async def _copied(connection: asyncpg.Connection, table: str) -> bytes:
    parts: list[bytes] = []

    async def keep(part: bytes) -> None:
        parts.append(part)

    await connection.copy_from_query(f'select * from "{table}"', output=keep)
    return b"".join(parts)


async def everything_in(redis: Redis) -> bytes:
    """Every key with all it holds."""
    readers = {
        b"string": lambda key: redis.get(key),
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": lambda key: redis.smembers(key),
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        b"hash": lambda key: redis.hgetall(key),
        b"stream": lambda key: redis.xrange(key),
    }
    lines = []
    async for key in redis.scan_iter(count=1000):
        kind = await redis.type(key)
        if kind in readers:
            lines.append(key + b" " + repr(await readers[kind](key)).encode())
    return b"\n".join(lines)
