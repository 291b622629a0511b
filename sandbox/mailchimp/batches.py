"""`/batches`: operations worked off one batch at a time, and their results in an archive with a short-lived URL."""

import asyncio
import io
import secrets
import tarfile
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from sandbox.http import Answer, Request
from sandbox.mailchimp.calls import NO_CONTENT, Call, Handlers
from sandbox.mailchimp.problems import Problem, invalid, not_found
from sandbox.mailchimp.state import Account, MailchimpState, User, iso

MAX_PENDING = 500
Run = Callable[[Request, Account, User], Awaitable[Answer]]
Finished = Callable[[Account, "Batch"], None]


class Batch(msgspec.Struct):
    """One batch and, when finished, its archive."""

    id: str
    operations: list[dict[str, Any]]
    user: User
    base_url: str
    submitted: int
    status: str = "pending"
    finished: int = 0
    errored: int = 0
    completed: int | None = None
    archive: bytes = b""
    links: dict[str, int] = {}  # token -> until when it is good


class BatchDesk:
    """The batches of all accounts; one worker task per account while there is work."""

    def __init__(self, state: MailchimpState, run: Run, finished: Finished) -> None:
        self.state = state
        self.run = run
        self.finished = finished
        self.workers: dict[str, asyncio.Task[None]] = {}
        self.handlers: Handlers = {
            "getBatches": self.get_all, "postBatches": self.post, "getBatchesId": self.get,
            "deleteBatchesId": self.delete,
        }  # fmt: skip

    def post(self, call: Call) -> Answer:
        if not call.body["operations"]:
            raise invalid("A batch needs at least one operation.", [("operations", "This value should not be blank.")])
        if sum(batch.status == "pending" for batch in call.account.batches.values()) >= MAX_PENDING:
            raise Problem(429, "TooManyRequests", "You have more than 500 pending batches.")
        batch = Batch(
            secrets.token_hex(5), call.body["operations"], call.user, call.base_url, call.state.now(), links={}
        )
        call.account.batches[batch.id] = batch
        worker = self.workers.get(call.account.id)
        if worker is None or worker.done():
            self.workers[call.account.id] = asyncio.create_task(self.work(call.account))
        return call.answer(self.view(batch))

    def get_all(self, call: Call) -> Answer:
        found = [self.view(batch) for batch in call.account.batches.values()]
        return call.answer({"batches": call.page(found), "total_items": len(found)})

    def get(self, call: Call) -> Answer:
        """The status; when finished, a fresh URL for the results."""
        return call.answer(self.view(self.find(call)))

    def delete(self, call: Call) -> Answer:
        self.find(call)
        del call.account.batches[call.arguments[0]]
        return NO_CONTENT

    def find(self, call: Call) -> Batch:
        found = call.account.batches.get(call.arguments[0])
        if not isinstance(found, Batch):
            raise not_found()
        return found

    def view(self, batch: Batch) -> dict[str, Any]:
        url = ""
        if batch.status == "finished":
            token = secrets.token_urlsafe(12)
            batch.links[token] = self.state.now() + self.state.settings.batch_result_seconds
            url = f"{batch.base_url}/results/{batch.id}.tar.gz?signature={token}"
        return {
            "id": batch.id, "status": batch.status, "total_operations": len(batch.operations),
            "finished_operations": batch.finished, "errored_operations": batch.errored,
            "submitted_at": iso(batch.submitted), "completed_at": iso(batch.completed) if batch.completed else "",
            "response_body_url": url, "_links": [],
        }  # fmt: skip

    async def work(self, account: Account) -> None:
        """Work off pending batches, one at a time, in order of submission."""
        while batch := next((b for b in account.batches.values() if b.status == "pending"), None):
            batch.status = "preprocessing"
            await asyncio.sleep(0)
            batch.status = "started"
            results: list[dict[str, Any]] = []
            # The vendor promises no order: the last operation goes first.
            for operation in reversed(batch.operations):
                if batch.id not in account.batches:
                    break
                results.append(await self.operate(account, batch, operation))
                batch.finished += 1
                batch.errored += results[-1]["status_code"] >= 400
                await asyncio.sleep(self.state.settings.operation_latency_seconds)
            batch.status = "finalizing"
            batch.archive = _archive(batch.id, results)
            batch.completed = self.state.now()
            batch.status = "finished"
            if batch.id in account.batches:
                self.finished(account, batch)

    async def operate(self, account: Account, batch: Batch, operation: dict[str, Any]) -> dict[str, Any]:
        path, _, query = operation["path"].partition("?")
        scope = {
            "method": operation["method"], "path": "/3.0" + path, "query_string": query.encode(), "headers": [],
        }  # fmt: skip
        request = Request(scope, (operation.get("body") or "").encode(), 0.0)
        request.query += [(name, str(value)) for name, value in (operation.get("params") or {}).items()]
        try:
            answer = await self.run(request, account, batch.user)
        except Problem as problem:
            answer = problem.answer()
        return {
            "status_code": answer.status, "operation_id": operation.get("operation_id", ""),
            "response": answer.body.decode(),
        }  # fmt: skip

    def results(self, request: Request) -> Answer:
        """The archive behind a signed URL, as the storage service gives it: no Mailchimp credentials wanted there."""
        id_ = request.path.removeprefix("/results/").removesuffix(".tar.gz")
        if request.headers.get(b"authorization"):
            return Answer(400, b"<Error><Code>InvalidArgument</Code></Error>", "application/xml")
        token = request.params().get("signature", "")
        for account in self.state.accounts:
            batch = account.batches.get(id_)
            if isinstance(batch, Batch) and batch.links.get(token, 0) > self.state.now():
                return Answer(200, batch.archive, "application/x-gzip")
        return Answer(403, b"<Error><Code>ExpiredToken</Code></Error>", "application/xml")


def _archive(batch_id: str, results: list[dict[str, Any]]) -> bytes:
    """A gzipped tar with one file per operation, each an array of results."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=1) as tar:
        folder = tarfile.TarInfo(f"{batch_id}/")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for position, result in enumerate(results):
            body = msgspec.json.encode([result])
            info = tarfile.TarInfo(f"{batch_id}/{position:06d}-response.json")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return made.getvalue()
