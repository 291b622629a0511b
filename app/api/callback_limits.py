"""How often a callback may come: nobody is logged in when it does, so its source and its state are counted."""

import hashlib
import ipaddress
import math

from fastapi import Request
from redis.asyncio import Redis

from app.api.problems import TooManyRequests
from app.api.rate_limits import RateLimits

SOURCE_PER_MINUTE = 120
"""A vendor's servers speak for many tenants from a few addresses, and a proxy may hide whole offices behind one."""
STATE_PER_MINUTE = 12
"""A state works once; a person reloads the page, a server repeats its call."""
SENTENCE = "Too many answers to sign-ins from there; wait a moment and repeat."


class CallbackLimits:
    """Counts in Redis over all processes. What is counted is a digest: neither addresses nor states are kept."""

    def __init__(self, redis: Redis) -> None:
        self._sources = RateLimits(redis, SOURCE_PER_MINUTE)
        self._states = RateLimits(redis, STATE_PER_MINUTE)

    async def count_source(self, request: Request) -> None:
        """Before anything is read. Raises TooManyRequests."""
        source = source_of(request.client.host if request.client else "")
        _pass(await self._sources.wait_seconds(f"callback:source:{_digest(source)}"))

    async def count_state(self, state: str) -> None:
        """Whether there is such a state or not, so that the answer tells nothing. Raises TooManyRequests."""
        if state:
            _pass(await self._states.wait_seconds(f"callback:state:{_digest(state)}"))


def source_of(host: str) -> str:
    """An IPv4 address itself; of IPv6 the /64, which is one subscriber's."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address.packed, 64), strict=False))


def _pass(wait: float) -> None:
    if wait:
        raise TooManyRequests(SENTENCE, headers={"Retry-After": str(math.ceil(wait))})


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()
