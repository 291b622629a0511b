"""`ml-connector sandbox`: the stand-ins for Sage X3 and Mailchimp, for integrators."""

import os
import sys
from typing import Annotated

import typer

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def sandbox(
    context: typer.Context,
    x3_port: Annotated[int, typer.Option(min=0, max=65535, help="Where the Sage X3 stand-in listens.")] = 8124,
    mailchimp_port: Annotated[int, typer.Option(min=0, max=65535, help="Where the Mailchimp one listens.")] = 8125,
    customers: Annotated[int, typer.Option(min=0, help="How many customers the Sage X3 holds.")] = 1000,
) -> None:
    """Serve both vendors' stand-ins until Ctrl-C; prints addresses and credentials as one line of JSON.

    Every option of `python -m sandbox` (suppliers, latencies, TLS …) may be given too.
    """
    argv = [sys.executable, "-P", "-m", "sandbox"]
    argv += [
        "--x3-port",
        str(x3_port),
        "--mailchimp-port",
        str(mailchimp_port),
        "--customers",
        str(customers),
        *context.args,
    ]
    os.execv(sys.executable, argv)  # noqa: S606  # signals reach it directly
