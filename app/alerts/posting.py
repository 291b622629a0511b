"""One attempt to hand a message to a webhook receiver."""

import asyncio
import ssl
from collections.abc import Mapping

import httpx

from app.alerts.ports import Outcome
from app.connectors.calls import named
from app.domain.errors import ConnectorError

PATIENCE_SECONDS = 20.0
_LONGEST_WAIT = 6 * 3600.0
_GONE = 410


async def post(client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """A 2xx within 20 seconds is a delivery, whatever the answer holds: it is not read. Nothing is raised for what
    the receiver or the network does; redirects are not followed."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await _asked(client, url, body, headers)
    except (TimeoutError, httpx.TimeoutException):
        return Outcome(False, f"The receiver did not answer within {PATIENCE_SECONDS:.0f} seconds.")
    except ConnectorError as error:
        return Outcome(False, error.message)
    except httpx.ConnectError as error:
        return Outcome(False, _unreached(error))
    except httpx.HTTPError:
        return Outcome(False, "The connection to the receiver broke before it answered.")


async def _asked(client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    sent = {"content-type": "application/json", **headers}
    extensions = named("alerts", "/webhook")
    async with client.stream("POST", url, content=body, headers=sent, extensions=extensions) as response:
        return _read(response)


def _read(response: httpx.Response) -> Outcome:
    status = response.status_code
    if response.is_success:
        return Outcome(True, f"The receiver answered {status}.", status)
    if status == _GONE:
        return Outcome(
            False, "The receiver answered 410 Gone: it wants no more messages.", status, is_final=True, is_gone=True
        )
    if response.is_redirect:
        return Outcome(False, f"The receiver answered {status}: it has moved; enter its new address.", status)
    return Outcome(False, f"The receiver answered {status}.", status, again_in=_wait(response))


def _wait(response: httpx.Response) -> float | None:
    """What Retry-After says in seconds; a date there is not worth reading."""
    said = response.headers.get("retry-after", "")
    return min(float(said), _LONGEST_WAIT) if said.isascii() and said.isdigit() and len(said) < 9 else None


def _unreached(error: httpx.ConnectError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "The receiver's certificate is not trusted."
        cause = cause.__cause__ or cause.__context__
    return "The receiver cannot be reached: its name is unknown, or nothing answers there."
