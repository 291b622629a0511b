"""Makes sandbox processes quickly: everything is imported once, each sandbox is a fork of this process.

Run as `python -m tests.e2e.nursery`. One line of JSON on standard input (the fields of sandbox.server.Options) makes
one sandbox; one line on standard output answers it: addresses and process id. End-of-file ends all of them.
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys

import msgspec

from sandbox.server import Addresses, Options, serve


def bear(order: bytes) -> None:
    """Start one sandbox. It says on standard output where it is."""
    if os.fork() == 0:
        os.close(0)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_live(msgspec.json.decode(order, type=Options)))
        os._exit(0)


async def _live(options: Options) -> None:
    """Serve for as long as the nursery is there."""
    nursery = os.getppid()

    def ready(found: Addresses) -> None:
        line = msgspec.json.encode({"pid": os.getpid(), "x3": found.x3, "mailchimp": found.mailchimp})
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()

    serving = asyncio.create_task(serve(options, ready))
    while os.getppid() == nursery and not serving.done():
        await asyncio.sleep(0.5)
    serving.cancel()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a sandbox that has ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to whoever started us
    gc.freeze()  # pages shared with every child stay shared
    for order in iter(sys.stdin.buffer.readline, b""):
        bear(order)


if __name__ == "__main__":
    main()
