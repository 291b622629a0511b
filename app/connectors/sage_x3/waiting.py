"""One call of X3, over GraphQL or api1: how long it may take, what its failing means, what its clock says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx

from app.connectors.sage_x3.auth import server_time
from app.connectors.sage_x3.failures import failure_of_transport
from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient

# Without a Date header the clock is ours, set back by this much: as far as an unsupervised server may be off.
_CLOCK_ALLOWANCE = timedelta(seconds=120)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Let the block take so long at most, and turn what the transport raises in it into domain errors.

    Raises:
        Transient: no answer in time, none at all, or one too large.
        NeedsTenant: the address is none.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Transient("x3_timeout", "Sage X3 did not answer in time.", outcome_unknown=True) from None
    except httpx.HTTPError as error:
        raise failure_of_transport(error) from None
    except (httpx.InvalidURL, UnicodeError):
        raise NeedsTenant("x3_url", "The URL of the connection is not valid.") from None
    except ProtocolMismatch as error:
        if error.code == "body_too_large":
            raise Transient("x3_volume", f"X3's answer is too large: {error.message}") from None
        raise


def clock_of(response: httpx.Response, took_seconds: float) -> tuple[datetime, bool]:
    """X3's time by an answer that took so long, early rather than late, and whether X3 told it: its Date header names
    the second in which the answer was made, at most one round trip ago."""
    told = server_time(response)
    if told is None:
        return datetime.now(UTC) - timedelta(seconds=took_seconds) - _CLOCK_ALLOWANCE, False
    return datetime.fromtimestamp(told, UTC) - timedelta(seconds=took_seconds + 1.0), True
