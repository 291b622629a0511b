"""Many calls in one request, run by Mailchimp one batch at a time per account.

Delivery is at least once: every operation we send is an upsert or a change without a status. `finished` means that
all were run, not that all worked: only the result archive tells, operation by operation.

Source: Marketing API, "Batch operations".
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Any

import httpx
import msgspec

from app.connectors.calls import named
from app.connectors.mailchimp.archives import OperationResult, read_archive
from app.connectors.mailchimp.client import Answer, MailchimpClient, user_agent
from app.connectors.mailchimp.failures import failure_of_transport
from app.connectors.mailchimp.routes import VENDOR
from app.connectors.retrying import retried
from app.domain.errors import ProtocolMismatch, RecordRejected, Transient

MAX_OPERATIONS = 1000
_POLL_FIRST_SECONDS, _POLL_MOST_SECONDS = 5.0, 60.0
_FRESH_URLS = 3  # a signed URL lives ten minutes; after so many there is something else wrong
_ARCHIVE_BYTES = 64 * 1024 * 1024
_ARCHIVE_TIMEOUT = httpx.Timeout(120.0, connect=10.0)

Sleep = Callable[[float], Any]
Take = Callable[[OperationResult], None]


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call: `path` relative to the API root with its query, `body` JSON as text, `operation_id` ours."""

    method: str
    path: str
    operation_id: str
    body: str | None = None


class Batch(msgspec.Struct, frozen=True):
    """How far a batch is; status pending, preprocessing, started, finalizing, finished."""

    id: str
    status: str = "pending"
    total_operations: int = 0
    finished_operations: int = 0
    errored_operations: int = 0
    submitted_at: str = ""
    response_body_url: str | None = None

    @property
    def finished(self) -> bool:
        """Whether every operation was run and the results can be read."""
        return self.status == "finished"


class _BatchesPage(msgspec.Struct):
    batches: list[Batch]
    total_items: int = 0


_batch = Answer(Batch)
_page = Answer(_BatchesPage)


class Batches:
    """The batches of one account. The caller keeps at most one in flight per account: more would only queue."""

    def __init__(self, client: MailchimpClient, outbound_client: httpx.AsyncClient, *, sleep: Sleep = asyncio.sleep):
        self._client = client
        self._outbound_client = outbound_client
        self._sleep = sleep

    async def submit(self, operations: Sequence[Operation]) -> Batch:
        """Hand over at most 1000 operations; they run in no particular order.

        Not repeated when the outcome is unknown: look for the batch with `submitted_since` first.
        """
        if not 0 < len(operations) <= MAX_OPERATIONS:
            raise ValueError(f"1 to {MAX_OPERATIONS} operations in one batch")
        body = msgspec.json.encode({"operations": operations})
        return await self._client.send("POST", "/batches", _batch, body=body, repeat_unknown=False)

    async def status(self, batch_id: str) -> Batch:
        """How far it is; raises RecordRejected `not_found` when Mailchimp has forgotten it (7 days)."""
        return await self._client.ask(f"/batches/{batch_id}", _batch)

    async def submitted_since(self, instant: datetime) -> list[Batch]:
        """Batches of the account, other programs' included, submitted at or after an aware instant; newest week only.

        Finds a batch again whose submission was never acknowledged: its results carry our operation ids.
        """
        found = (await self._client.ask("/batches", _page, {"count": 1000})).batches
        return [batch for batch in found if batch.submitted_at and _at(batch.submitted_at) >= instant]

    async def wait(self, batch_id: str, *, seconds: float) -> Batch:
        """Poll at 5 s, doubling to 60 s, until it is finished.

        Raises:
            Transient: not finished within `seconds`; it goes on at Mailchimp and can be waited for again.
        """
        deadline, pause = monotonic() + seconds, _POLL_FIRST_SECONDS
        while True:
            batch = await self.status(batch_id)
            if batch.finished:
                return batch
            if monotonic() + pause > deadline:
                raise Transient("mailchimp_batch_running", "Mailchimp is still working on a batch.", batch.status)
            await self._sleep(pause)
            pause = min(_POLL_MOST_SECONDS, pause * 2)

    async def results(self, batch_id: str, take: Take) -> None:
        """Hand over what became of each operation of a finished batch; ids that never come are of unknown outcome.

        The archive lies elsewhere behind a URL that expires; it is asked for anew when it has, and when what came is
        damaged: then results that were handed over come again. `take` is called in another thread.
        """
        damaged: Transient | None = None
        for _ in range(_FRESH_URLS):
            batch = await self.status(batch_id)
            if not batch.finished or not batch.response_body_url:
                raise Transient("mailchimp_batch_running", "Mailchimp is still working on a batch.", batch.status)
            url = batch.response_body_url
            content = await retried(lambda url=url: self._archive(url))  # type: ignore[misc]  # bound per round
            try:
                if content is not None:
                    return await asyncio.to_thread(read_archive, content, take)
            except Transient as error:
                damaged = error
        raise damaged or Transient("mailchimp_archive_gone", "The results of a batch could not be fetched.")

    async def cancel(self, batch_id: str) -> None:
        """Stop it and drop its results; what was run stays. One that is gone counts as stopped."""
        try:
            await self._client.do("DELETE", f"/batches/{batch_id}")
        except RecordRejected as error:
            if error.code != "not_found":
                raise

    async def _archive(self, url: str) -> bytes | None:
        """The archive's bytes, None when the URL has expired. No credential of Mailchimp goes there."""
        try:
            response = await self._outbound_client.get(
                url,
                headers={"User-Agent": user_agent()},
                timeout=_ARCHIVE_TIMEOUT,
                follow_redirects=False,
                extensions=named(VENDOR, "/(batch results)", max_body_bytes=_ARCHIVE_BYTES),
            )
        except httpx.InvalidURL:
            raise ProtocolMismatch("mailchimp_archive_url", "The address of a batch's results is none.") from None
        except httpx.HTTPError as error:
            raise failure_of_transport(error) from None
        if response.is_success:
            return response.content
        if response.status_code in (400, 401, 403, 404, 410):
            return None
        if response.status_code == 429 or response.status_code >= 500:
            detail = f"HTTP {response.status_code}"
            raise Transient("mailchimp_archive_failing", "The store of batch results has a fault.", detail)
        raise ProtocolMismatch("mailchimp_archive", f"The store of batch results answered {response.status_code}.")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
