"""`ml-connector records …`: what became of a customer, supplier or invoice."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from app.cli.client import DEFAULT_URL, AsJson, Client, Cursor, Key, Limit, Url
from app.cli.explaining import Question
from app.cli.output import console, fail, field_changes, show, show_json
from app.cli.whose import Tenant, sync_id, tenant_path
from app.console.wording import decision

app = typer.Typer(no_args_is_help=True, help="What became of a record of X3.")
COLUMNS = ("id", "code", "email", "state", "reason", "is_active", "tags", "changed_at")
TIMELINE_COLUMNS = ("at", "action", "decision", "reason", "fields", "actor", "run_id")
Sync = Annotated[str | None, typer.Option(help="By this sync only; its name or id.")]


@app.command("list")
def list_records(
    tenant: Tenant = None,
    sync: Sync = None,
    code: Annotated[str | None, typer.Option(help="Of this X3 code only.")] = None,
    email: Annotated[str | None, typer.Option(help="Of this address only.")] = None,
    state: Annotated[str | None, typer.Option(help="synced, skipped or rejected")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Records that a sync has seen."""
    client = Client(url, key)
    at = tenant_path(client, tenant)
    query = {"sync_id": sync_id(client, at, sync) if sync else None, "code": code, "email": email, "state": state}
    page = client.get(f"{at}/records", **query, limit=limit, cursor=cursor)
    show(page, as_json=as_json, columns=COLUMNS)


@app.command()
def explain(
    who: Annotated[str, typer.Argument(metavar="CODE|EMAIL", help="Of X3, or an address.")],
    tenant: Tenant = None,
    sync: Sync = None,
    look: Annotated[bool, typer.Option("--look", help="Also read it from X3 now; a code, not an address.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Why a customer is, or is not, in the audience. Ends with 1 when no sync knows it."""
    client = Client(url, key)
    at = tenant_path(client, tenant)
    of = sync_id(client, at, sync) if sync else None
    question = Question(client, at, who)
    answers, looks = question.answers(of), question.looks(of) if look else []
    if as_json:
        show_json({"items": answers, "now": looks})
    for answer in () if as_json else answers:
        _show_answer(answer)
    for seen in () if as_json else looks:
        _show_look(seen, who)
    if not answers:
        fail(f"No sync has met {who} yet: no run has read it, or it was erased.{'' if look else _hint(who)}")


def _hint(who: str) -> str:
    return "" if "@" in who else " --look says what a run would make of it now."


def _show_answer(answer: Mapping[str, Any]) -> None:
    record, sync, status = answer["record"], answer["sync"], answer["status"]
    _say(f"{sync['name']}: {record['key']} {record['email'] or ''}".rstrip())
    _say(f"  {answer['verdict']}")
    if status:
        _say(f"  Mailchimp: {status['status']} since {status['said_at'] or status['at']} (cause: {status['cause']}).")
    if sync["state"] != "active":
        _say(f"  The sync is {sync['state']}. {sync['state_reason'] or ''}".rstrip())
    for letter in answer["dead_letters"]:
        _say(f"  Dead letter {letter['id']}: {letter['reason']}: {letter['message']}")
    rows: Sequence[Mapping[str, Any]] = [
        {**event, "fields": field_changes(event["fields"]) or None} for event in answer["timeline"]
    ]
    show(rows, as_json=False, columns=TIMELINE_COLUMNS)


def _show_look(seen: Mapping[str, Any], who: str) -> None:
    name = seen["sync"]["name"]
    if seen["problem"]:
        _say(f"{name}, now: {seen['problem']}")
    elif not seen["items"]:
        _say(f"{name}, now: X3 has no {who} in this stream.")
    for item in seen["items"]:
        _say(f"{name}, now: {decision(item['decision'])}")
        for warning in item["warnings"]:
            _say(f"  {warning['target']}: {warning['message']}")


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
