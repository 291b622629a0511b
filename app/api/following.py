"""Server-sent events of one run."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from app.api.deps import Access
from app.api.presenting_runs import present
from app.api.problems import NotFound
from app.db.runs import FINISHED, SyncRun

LOOK_SECONDS = 0.5
SILENCE_SECONDS = 10.0  # a comment keeps proxies from closing the stream
LONGEST_SECONDS = 3600.0  # then the client connects again, and its key is looked at again


async def follow(access: Access, run: SyncRun) -> AsyncIterator[bytes]:
    """`progress` at once and after every change, `end` when the run has ended or is gone."""
    began = spoke = monotonic()
    shown = b""
    yield b"retry: 1000\n\n"
    while True:
        body = present(run).model_dump_json().encode()
        is_over = run.state in FINISHED
        if body != shown or is_over:
            shown, spoke = body, monotonic()
            yield _event(b"progress", body)
        if is_over:
            yield _event(b"end", body)
            return
        if monotonic() - began > LONGEST_SECONDS:
            return
        if monotonic() - spoke > SILENCE_SECONDS:
            spoke = monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)
        try:
            async with access.work() as work:
                run = await work.get(SyncRun, run.id)
        except NotFound:
            yield _event(b"end", shown)
            return


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: " + name + b"\ndata: " + data + b"\n\n"
