"""A message as e-mail: plain text, for people who get many."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from app.alerts.messages import DIGEST, TEST
from app.domain.alert_sentences import TITLES, one_line

_STATES = {"opened": "", "resolved": "Resolved: "}


def letter(
    message_id: str, message: Mapping[str, Any], sender: str, recipients: Sequence[str], at: datetime
) -> EmailMessage:
    """The same id for every attempt, so that a mailbox can tell a repetition."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = f"[ml-connector] {_subject(message)}"
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(at.astimezone(UTC))
    mail["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(_lines(message)) + "\n")
    return mail


def _subject(message: Mapping[str, Any]) -> str:
    data, kind = message["data"], message["type"]
    if kind == DIGEST:
        return f"{data['opened']} alerts opened, {data['resolved']} resolved"
    if kind == TEST:
        return "Test of an alert channel"
    name = data["sync_name"] or data["connection_name"]
    return one_line(f"{_STATES[data['state']]}{TITLES[kind]}: {name}")


def _lines(message: Mapping[str, Any]) -> list[str]:
    data = message["data"]
    lines = [data["sentence"], "", f"Since: {message['timestamp']}", f"Tenant: {data['tenant_id']}"]
    lines += [f"{name.capitalize()}: {address}" for name, address in data.get("links", {}).items()]
    for item in data.get("items", ()):
        lines += ["", f"{item['timestamp']}  {item['state']}  {item['type']}", item["sentence"]]
    if data.get("left_out"):
        lines += ["", f"… and {data['left_out']} more."]
    return lines
