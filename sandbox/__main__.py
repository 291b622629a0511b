"""`python -m sandbox`: both servers on loopback ports, one JSON line with addresses and credentials when ready."""

import argparse
import asyncio
import contextlib
import signal
import sys

import msgspec

from sandbox.data import CLEAN, Shares
from sandbox.mailchimp.state import Settings as MailchimpSettings
from sandbox.server import Addresses, Options, serve
from sandbox.x3.state import Settings as X3Settings


def options(arguments: list[str]) -> Options:
    """The command line as options."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--x3-port", type=int, default=0)
    parser.add_argument("--mailchimp-port", type=int, default=0)
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--suppliers", type=int, default=100)
    parser.add_argument("--invoices", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clean", action="store_true", help="no peculiarities: for measuring")
    parser.add_argument("--generation", choices=("x3", "xtremX3"), default="x3")
    parser.add_argument("--accounts", type=int, default=1, help="Mailchimp accounts")
    parser.add_argument("--x3-page-latency-ms", type=float, default=0)
    parser.add_argument("--mailchimp-batch-latency-ms", type=float, default=0)
    parser.add_argument("--mailchimp-call-latency-ms", type=float, default=0)
    parser.add_argument("--mailchimp-member-latency-ms", type=float, default=0)
    parser.add_argument("--access-token-seconds", type=int, default=300)
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    given = parser.parse_args(arguments)
    return Options(
        host=given.host, x3_port=given.x3_port, mailchimp_port=given.mailchimp_port, customers=given.customers,
        suppliers=given.suppliers, invoices=given.invoices, seed=given.seed, accounts=given.accounts,
        shares=CLEAN if given.clean else Shares(), tls_cert=given.tls_cert, tls_key=given.tls_key,
        x3=X3Settings(
            page_latency_seconds=given.x3_page_latency_ms / 1000, generations=(given.generation,),
            access_token_seconds=given.access_token_seconds,
        ),
        mailchimp=MailchimpSettings(
            call_latency_seconds=given.mailchimp_call_latency_ms / 1000,
            batch_latency_seconds=given.mailchimp_batch_latency_ms / 1000,
            member_latency_seconds=given.mailchimp_member_latency_ms / 1000,
        ),
    )  # fmt: skip


async def main() -> None:
    """Serve until told to stop."""

    def ready(found: Addresses) -> None:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        sys.stdout.flush()

    serving = asyncio.create_task(serve(options(sys.argv[1:]), ready))
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except OSError as error:  # a port that is taken
        sys.exit(str(error))
