"""`ml-connector runs …`: a thin client of the API, with progress bars."""

import time
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.client import DEFAULT_URL, AsJson, Client, Cursor, Key, Limit, Url
from app.cli.output import FAILED, console, errors, field_changes, show
from app.cli.whose import OfSync, Tenant, sync_id, tenant_path

app = typer.Typer(no_args_is_help=True, help="Runs of a tenant's syncs.")
COLUMNS = ("id", "sync_id", "mode", "state", "counts", "queued_at", "reason")
FINISHED = ("succeeded", "partially_failed", "failed", "cancelled")
POLL_SECONDS = 0.5

CHANGE_COLUMNS = ("code", "email", "decision", "reason", "fields")
Wait = Annotated[bool, typer.Option("--wait", "--follow", help="Show its progress until it has ended.")]


@app.command("list")
def list_runs(
    tenant: Tenant = None,
    sync: OfSync = None,
    state: Annotated[str | None, typer.Option(help="In this state only.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Runs, newest first."""
    client = Client(url, key)
    at = tenant_path(client, tenant)
    of = sync_id(client, at, sync) if sync else None
    page = client.get(f"{at}/runs", sync_id=of, state=state, limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=COLUMNS)


@app.command()
def start(
    sync: Annotated[str, typer.Argument(help="Name or id.")],
    tenant: Tenant = None,
    mode: Annotated[str, typer.Option(help="delta, full or reconcile")] = "delta",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide everything, write nothing.")] = False,
    code: Annotated[list[str] | None, typer.Option(help="Only this record; may be given many times.")] = None,
    wait: Wait = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Start a run of a sync, or join the one that is queued already."""
    client = Client(url, key)
    at = tenant_path(client, tenant)
    body = {"mode": mode, "dry_run": dry_run, **({"codes": code} if code else {})}
    run = client.post(f"{at}/syncs/{sync_id(client, at, sync)}/runs", body)
    finish(client, at, run, wait=wait, as_json=as_json)


@app.command("show")
def show_run(
    run_id: UUID,
    tenant: Tenant = None,
    wait: Wait = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """One run."""
    client = Client(url, key)
    at = tenant_path(client, tenant)
    finish(client, at, client.get(f"{at}/runs/{run_id}"), wait=wait, as_json=as_json)


@app.command()
def cancel(
    run_id: UUID, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """Stop a run at the end of its present page."""
    client = Client(url, key)
    run = client.post(f"{tenant_path(client, tenant)}/runs/{run_id}/cancel")
    show(run, as_json=as_json, columns=COLUMNS)


@app.command()
def approve(
    run_id: UUID, tenant: Tenant = None, url: Url = DEFAULT_URL, key: Key = None, as_json: AsJson = False
) -> None:
    """Let a run go on that its brake has halted."""
    client = Client(url, key)
    run = client.post(f"{tenant_path(client, tenant)}/runs/{run_id}/approve")
    show(run, as_json=as_json, columns=COLUMNS)


@app.command()
def changes(
    run_id: UUID,
    tenant: Tenant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """What a run decided for each record; a dry run: what it would do."""
    client = Client(url, key)
    page = client.get(f"{tenant_path(client, tenant)}/runs/{run_id}/changes", limit=limit, cursor=cursor)
    if not as_json:
        page["items"] = [{**item, "fields": field_changes(item["fields"])} for item in page["items"]]
    show(page, as_json=as_json, columns=CHANGE_COLUMNS)


def finish(client: Client, tenant: str, run: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    """Show a run, after its end if asked; a run that failed makes the command fail too."""
    if wait:
        run = followed(client, tenant, run)
    show(run, as_json=as_json, columns=COLUMNS)
    if wait and run["state"] not in ("succeeded", "cancelled"):
        raise typer.Exit(FAILED)


def followed(client: Client, tenant: str, run: dict[str, Any]) -> dict[str, Any]:
    """Draw a run's progress until it has ended or is halted; its last state. `tenant` is a path."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors if console.is_terminal is False else console, transient=True) as bars:
        bar = bars.add_task(run["state"], total=None)
        while run["state"] not in (*FINISHED, "halted"):
            time.sleep(POLL_SECONDS)
            run = client.get(f"{tenant}/runs/{run['id']}")
            progress = run.get("progress") or {}
            bars.update(
                bar,
                description=run["state"],
                total=progress.get("expected_records"),
                completed=run["counts"]["read"],
            )
    return run
