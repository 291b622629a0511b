"""Runs one server and stops it when whoever started it is gone. Run as a file, never imported by the product.

The first line on standard input is the order (JSON); after it the pipe stays open
for as long as the launcher lives. End-of-file, however it came about (a clean stop,
an exception, `kill -9` of the launcher), means: stop the server. Works on macOS too,
where no parent-death signal exists. The guard keeps the rights it was started with,
since the interpreter may lie where the server's account cannot reach; only the
server drops them. Standard library only; prints the server's pid, ends with its exit code.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any


def main() -> int:
    """Obey the order on standard input until the server has ended."""
    order: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    server = subprocess.Popen(  # noqa: S603  # the launcher names the program
        order["argv"],
        stdin=subprocess.PIPE,
        stdout=order["log_descriptor"],
        stderr=order["log_descriptor"],
        cwd=order["folder"],
        env=order["environment"],
        pass_fds=order["lock_descriptors"],  # the folder stays locked until the last server process is gone
        **order["account"],
    )
    assert server.stdin is not None  # noqa: S101  # it was asked for above
    with contextlib.suppress(BrokenPipeError):  # it ended at once; the log says why
        server.stdin.write(order["input"].encode())
        server.stdin.close()

    def stop(*_: object) -> None:
        server.send_signal(order["stop_signal"])

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    print(server.pid, flush=True)  # noqa: T201  # how the launcher learns the pid

    def wait_for_the_launcher_to_go() -> None:
        while os.read(0, 4096):
            pass
        stop()
        try:
            server.wait(order["grace_seconds"])
        except subprocess.TimeoutExpired:
            server.kill()

    threading.Thread(target=wait_for_the_launcher_to_go, daemon=True).start()
    status = server.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
