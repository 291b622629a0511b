"""`ml-connector runs …`: a thin client of the API, with progress bars."""

import time
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.client import DEFAULT_URL, AsJson, Client, Key, Url
from app.cli.output import FAILED, console, errors, show

app = typer.Typer(no_args_is_help=True, help="Runs of a tenant's syncs.")
COLUMNS = ("id", "sync_id", "mode", "state", "counts", "queued_at", "reason")
FINISHED = ("succeeded", "partially_failed", "failed", "cancelled")
POLL_SECONDS = 0.5

Tenant = Annotated[UUID, typer.Option("--tenant", envvar="MLC_TENANT", help="Whose runs.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show its progress until it has ended.")]


@app.command("list")
def list_runs(
    tenant: Tenant,
    sync: Annotated[UUID | None, typer.Option(help="Of this sync only.")] = None,
    state: Annotated[str | None, typer.Option(help="In this state only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Runs, newest first."""
    query = {"sync_id": str(sync) if sync else None, "state": state, "limit": limit, "cursor": cursor}
    show(Client(url, key).get(f"/v1/tenants/{tenant}/runs", **query), as_json=as_json, columns=COLUMNS)


@app.command()
def start(
    sync_id: UUID,
    tenant: Tenant,
    mode: Annotated[str, typer.Option(help="delta, full or reconcile")] = "delta",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide everything, write nothing.")] = False,
    wait: Wait = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Start a run of a sync, or join the one that is queued already."""
    client = Client(url, key)
    run = client.post(f"/v1/tenants/{tenant}/syncs/{sync_id}/runs", {"mode": mode, "dry_run": dry_run})
    _finish(client, tenant, run, wait=wait, as_json=as_json)


@app.command("show")
def show_run(
    run_id: UUID, tenant: Tenant, wait: Wait = False, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """One run."""
    client = Client(url, key)
    run = client.get(f"/v1/tenants/{tenant}/runs/{run_id}")
    _finish(client, tenant, run, wait=wait, as_json=as_json)


@app.command()
def cancel(run_id: UUID, tenant: Tenant, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Stop a run at the end of its present page."""
    show(Client(url, key).post(f"/v1/tenants/{tenant}/runs/{run_id}/cancel"), as_json=as_json, columns=COLUMNS)


@app.command()
def approve(run_id: UUID, tenant: Tenant, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False) -> None:
    """Let a run go on that its brake has halted."""
    show(Client(url, key).post(f"/v1/tenants/{tenant}/runs/{run_id}/approve"), as_json=as_json, columns=COLUMNS)


def _finish(client: Client, tenant: UUID, run: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    """Show a run, after its end if asked; a run that failed makes the command fail too."""
    if wait:
        run = followed(client, tenant, run)
    show(run, as_json=as_json, columns=COLUMNS)
    if wait and run["state"] not in ("succeeded", "cancelled"):
        raise typer.Exit(FAILED)


def followed(client: Client, tenant: UUID, run: dict[str, Any]) -> dict[str, Any]:
    """Draw a run's progress until it has ended or is halted; its last state."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors if console.is_terminal is False else console, transient=True) as bars:
        bar = bars.add_task(run["state"], total=None)
        while run["state"] not in (*FINISHED, "halted"):
            time.sleep(POLL_SECONDS)
            run = client.get(f"/v1/tenants/{tenant}/runs/{run['id']}")
            progress = run.get("progress") or {}
            bars.update(
                bar,
                description=run["state"],
                total=progress.get("expected_records"),
                completed=run["counts"]["read"],
            )
    return run
