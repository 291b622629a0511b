"""Mailchimp's side of webhooks: one delivery becomes due after the other, whatever became of those before.

    python -m bench.contenders.delivering --url URL --secret SECRET --list ID --rate 200 --seconds 30 --out FILE

Writes JSON: per delivery whether it was answered with 200, and milliseconds from the instant it was due to its
answer. Nothing is sent twice. It stands for machines elsewhere, so it goes before everything else here if it may.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import uvloop

from sandbox.mailchimp.webhooks import signature

ANSWER_WITHIN_SECONDS = 10.0  # Mailchimp's own patience
IDLE_SECONDS = 3.0  # connections older than that may be closed by the server at any moment
FIRST = -20  # the niceness asked for

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter, float]
"""And when it was used last."""


class Sender:
    """Deliveries of unsubscribed people, each on a connection that nobody else uses meanwhile."""

    def __init__(self, url: str, secret: str, list_id: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, parts.path
        self._secret, self._list = secret, list_id
        self._idle: list[Connection] = []
        self.answered: list[int] = []
        self.milliseconds: list[float] = []
        self.late: list[float] = []
        self.others: Counter[str] = Counter()

    async def fire(self, first: int, rate: float, seconds: float) -> None:
        """Returns when every delivery is answered or given up."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as sent:
            for count in range(int(rate * seconds)):
                due = began + count / rate
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                sent.create_task(self._deliver(first + count, due))

    async def _deliver(self, number: int, due: float) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                status = await self._post(self._message(number), due)
        except (OSError, EOFError, TimeoutError) as error:
            self.others[type(error).__name__] += 1
            return
        if status != b"200":
            self.others[status.decode()] += 1
            return
        self.answered.append(number)
        self.milliseconds.append((time.monotonic() - due) * 1000)

    async def _post(self, message: bytes, due: float) -> bytes:
        reader, writer = self._rested() or await asyncio.open_connection(self._host, self._port)
        try:
            self.late.append((time.monotonic() - due) * 1000)
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
        except BaseException:
            writer.close()
            raise
        if b"content-length: 0\r\n" in head.lower():
            self._idle.append((reader, writer, time.monotonic()))
        else:
            writer.close()
        return head[9:12]

    def _rested(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The connection used last, if it is fresh; then those below it may be too old, but are never looked at."""
        if not self._idle or self._idle[-1][2] < time.monotonic() - IDLE_SECONDS:
            return None
        reader, writer, _ = self._idle.pop()
        return reader, writer

    def _message(self, number: int) -> bytes:
        data = {"list_id": self._list, "id": f"{number:010x}", "email": address(number), "action": "unsub"}
        pairs = {f"data[{name}]": value for name, value in data.items()}
        body = urlencode({"type": "unsubscribe", "fired_at": "2026-01-02 03:04:05", **pairs}).encode()
        head = (
            f"POST {self._path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\nuser-agent: MailChimp\r\n"
            "content-type: application/x-www-form-urlencoded\r\n"
            f"x-mailchimp-signature: {signature(self._secret, int(time.time()), body)}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def address(number: int) -> str:
    """Whom a delivery is about."""
    return f"person{number}@acme.test"


async def fired(given: argparse.Namespace) -> dict[str, Any]:
    """What became of the deliveries."""
    sender = Sender(given.url, given.secret, given.list)
    gc.freeze()
    await sender.fire(given.first, given.rate, given.seconds)
    found = {"answered": sorted(sender.answered), "milliseconds": sender.milliseconds, "late": sender.late}
    return {**found, "sent": int(given.rate * given.seconds), "others": dict(sender.others)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "secret", "list"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--first", type=int, default=0, help="number of the first delivery")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, FIRST)
    given.out.write_text(json.dumps(uvloop.run(fired(given))))


if __name__ == "__main__":
    main()
