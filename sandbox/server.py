"""Serves both vendors over real HTTP from one process, and gives their applications to in-process clients."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvicorn

from sandbox.data import Shares, generate
from sandbox.http import SandboxApp
from sandbox.mailchimp.app import mailchimp_app
from sandbox.mailchimp.state import MailchimpState
from sandbox.mailchimp.state import Settings as MailchimpSettings
from sandbox.x3.app import x3_app
from sandbox.x3.state import Settings as X3Settings
from sandbox.x3.state import X3State

__all__ = ["Addresses", "Options", "mailchimp_app", "make_states", "running", "serve", "x3_app"]


class Options(msgspec.Struct, kw_only=True):
    """What to serve and how; port 0 takes a free one."""

    host: str = "127.0.0.1"
    x3_port: int = 0
    mailchimp_port: int = 0
    customers: int = 1000
    suppliers: int = 100
    invoices: int = 200
    seed: int = 1
    shares: Shares = Shares()
    x3: X3Settings = msgspec.field(default_factory=X3Settings)
    mailchimp: MailchimpSettings = msgspec.field(default_factory=MailchimpSettings)
    accounts: int = 1
    tls_cert: str | None = None
    tls_key: str | None = None


class Addresses(msgspec.Struct):
    """Where the two servers are and how to log in, as printed at start."""

    x3: dict[str, Any]
    mailchimp: dict[str, Any]


def make_states(options: Options) -> tuple[X3State, MailchimpState]:
    """The example folder and an empty Mailchimp."""
    rows = generate(
        customers=options.customers, suppliers=options.suppliers, invoices=options.invoices, seed=options.seed,
        shares=options.shares,
    )  # fmt: skip
    x3 = X3State(rows, options.x3, options.seed)
    return x3, MailchimpState(options.mailchimp, options.seed, options.accounts)


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Addresses]:
    """Both servers, ready for requests; stopped when the block ends."""
    x3, mailchimp = make_states(options)
    servers: list[tuple[uvicorn.Server, socket.socket]] = []
    for app, port in (
        (x3_app(x3, in_process=False), options.x3_port),
        (mailchimp_app(mailchimp, in_process=False), options.mailchimp_port),
    ):
        servers.append((_server(app, options), _listening(options.host, port)))
    tasks = [asyncio.create_task(server.serve(sockets=[sock])) for server, sock in servers]
    try:
        while not all(server.started for server, _ in servers):
            if any(task.done() for task in tasks):
                await asyncio.gather(*tasks)
            await asyncio.sleep(0.005)
        ports = [sock.getsockname()[1] for _, sock in servers]
        yield addresses(options, mailchimp, *ports)
    finally:
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, sock in servers:
            sock.close()


def addresses(options: Options, mailchimp: MailchimpState, x3_port: int, mailchimp_port: int) -> Addresses:
    scheme = "https" if options.tls_cert else "http"
    x3_url, mailchimp_url = f"{scheme}://{options.host}:{x3_port}", f"{scheme}://{options.host}:{mailchimp_port}"
    settings, account = options.x3, mailchimp.accounts[0]
    return Addresses(
        x3={
            "url": x3_url, "graphql_url": f"{x3_url}/xtrem/api", "gateway_url": f"{x3_url}/v1",
            "endpoint": settings.endpoint, "client_id": settings.client_id, "client_secret": settings.client_secret,
            "username": settings.username, "password": settings.password,
        },
        mailchimp={
            "url": mailchimp_url, "base_url": f"{mailchimp_url}/3.0", "oauth_base_url": mailchimp_url,
            "api_key": min(account.users[0].credentials), "lists": list(account.audiences),
            "api_keys": [min(a.users[0].credentials) for a in mailchimp.accounts],
            "client_id": options.mailchimp.client_id, "client_secret": options.mailchimp.client_secret,
        },
    )  # fmt: skip


async def serve(options: Options, ready: Callable[[Addresses], None]) -> None:
    """Serve until the task is cancelled; `ready` is told the addresses once requests are taken."""
    async with running(options) as found:
        # What was just made stays until the end: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        ready(found)
        await asyncio.Event().wait()


class _Server(uvicorn.Server):
    """Signals belong to whoever started the two servers."""

    def install_signal_handlers(self) -> None:
        return


def _server(app: SandboxApp, options: Options) -> uvicorn.Server:
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, server_header=False, date_header=app.date is None,
        timeout_graceful_shutdown=1, ssl_certfile=options.tls_cert, ssl_keyfile=options.tls_key, lifespan="on",
    )  # fmt: skip
    return _Server(config)


def _listening(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(f"Port {port} of {host} cannot be used ({error.strerror}). Choose another.") from None
    return sock
