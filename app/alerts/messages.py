"""What a receiver is sent: a document as the Standard Webhooks specification wants it, without personal data."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.domain.alerting import Phase

DIGEST = "alerts.digest"
TEST = "alerts.test"
_SHOWN = 25  # of a digest: receivers expect messages below 20 kB


def about(
    public_url: str, alert: Mapping[str, Any], phase: Phase, sentence: str, at: datetime, sync_name: str | None = None
) -> dict[str, Any]:
    """The message of one alert (a row): `{type, timestamp, data}`; `at` is when it became so."""
    of_sync = alert["sync_id"] is not None
    data = {
        "tenant_id": str(alert["tenant_id"]),
        "alert_id": str(alert["id"]),
        "state": phase,
        "sentence": sentence,
        "sync_id": _text(alert["sync_id"]),
        "sync_name": sync_name or (alert["name"] if of_sync else None),
        "connection_id": _text(alert["connection_id"]),
        "connection_name": None if of_sync else alert["name"],
        "run_id": _text(alert["run_id"]),
        "links": _links(public_url, alert),
    }
    return {"type": alert["kind"], "timestamp": _instant(at), "data": data}


def digest(messages: Sequence[Mapping[str, Any]], at: datetime) -> dict[str, Any]:
    """Many messages as one, when telling each would drown people."""
    opened = sum(each["data"]["state"] == "opened" for each in messages)
    resolved = len(messages) - opened
    data = {
        "tenant_id": messages[0]["data"]["tenant_id"],
        "sentence": f"{opened} alerts were opened and {resolved} resolved within a short time.",
        "opened": opened,
        "resolved": resolved,
        "items": [_item(each) for each in messages[:_SHOWN]],
        "left_out": max(0, len(messages) - _SHOWN),
    }
    return {"type": DIGEST, "timestamp": _instant(at), "data": data}


def _item(message: Mapping[str, Any]) -> dict[str, Any]:
    names = ("alert_id", "state", "sentence", "sync_id", "connection_id", "run_id")
    return {
        "type": message["type"],
        "timestamp": message["timestamp"],
        **{name: message["data"][name] for name in names},
    }


def test(tenant_id: UUID, channel_id: UUID, name: str, at: datetime) -> dict[str, Any]:
    """Proves that a channel works; asked for by somebody who looks at it."""
    sentence = f'This is a test of the alert channel "{name}". Nothing is wrong.'
    data = {"tenant_id": str(tenant_id), "channel_id": str(channel_id), "state": "test", "sentence": sentence}
    return {"type": TEST, "timestamp": _instant(at), "data": data}


def _links(public_url: str, alert: Mapping[str, Any]) -> dict[str, str]:
    """Where the API tells more."""
    base = f"{public_url.rstrip('/')}/v1/tenants/{alert['tenant_id']}"
    places = {
        "alert": ("alerts", alert["id"]),
        "sync": ("syncs", alert["sync_id"]),
        "connection": ("connections", alert["connection_id"]),
        "run": ("runs", alert["run_id"]),
    }
    return {name: f"{base}/{noun}/{id_}" for name, (noun, id_) in places.items() if id_ is not None}


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
