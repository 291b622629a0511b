"""An alert channel as a form, and back: where it leads, what it tells, from which threshold on."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.domain.alert_sentences import TITLES
from app.domain.alerting import KINDS, Thresholds

Given = Callable[[str], str]
CHANNELS = ("webhook", "email")
EVENTS = tuple((kind, TITLES[kind]) for kind in KINDS)
HINTS = {
    "run.failed": "The newest run ended without its work done.",
    "run.halted": "It wrote nothing and waits for a decision.",
    "run.rejections": "Above the share that is named below.",
    "sync.needs_attention": "It has stopped until somebody acts: a revoked key, an audience that is gone.",
    "sync.stale": "No success for longer than its schedule promises.",
    "credential.expiring": "Somebody must sign in again soon, or must already.",
}
SECURITY = (("tls", "TLS from the first byte (port 465)"), ("starttls", "STARTTLS (port 587)"))
_SMTP = ("host", "port", "security", "username", "password", "from_address")
_DEFAULTS = Thresholds()


def creation(kind: str, given: Given, chosen: Callable[[str], Sequence[str]]) -> dict[str, Any]:
    """The body of a new channel."""
    return {"kind": kind, **change(kind, given, chosen)}


def change(kind: str, given: Given, chosen: Callable[[str], Sequence[str]]) -> dict[str, Any]:
    """All of a channel but its kind; what was left open is what the API's defaults are."""
    receiver = {"url": given("url")} if kind == "webhook" else _mail(given)
    return {
        "name": given("name"),
        **receiver,
        "events": list(chosen("events")),
        "thresholds": _thresholds(given),
        "sync_ids": list(chosen("sync_ids")) or None,
        "tls_ca_pem": given("tls_ca_pem") or None,
        "enabled": bool(given("enabled")),
    }


def _mail(given: Given) -> dict[str, Any]:
    recipients = [each for each in re.split(r"[\s,;]+", given("recipients")) if each]
    smtp = {name: given(f"smtp.{name}") for name in _SMTP}
    filled = {name: _number(value) if name == "port" else value for name, value in smtp.items() if value}
    return {"recipients": recipients, "smtp": filled if smtp["host"] else None}


def _thresholds(given: Given) -> dict[str, Any]:
    found = {name: _number(given(f"thresholds.{name}")) for name in Thresholds.__struct_fields__}
    return {name: value for name, value in found.items() if value is not None}


def _number(text: str) -> Any:
    """Left to the API when it is none: its sentence names the field."""
    if not text:
        return None
    if re.fullmatch(r"\d{1,9}", text):
        return int(text)
    return float(text) if re.fullmatch(r"\d{1,9}\.\d{1,9}", text) else text


def shown(channel: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the form shows: what is stored, or the defaults of a new one."""
    if channel is None:
        return {**_blank(), "events": list(KINDS), "enabled": True}
    smtp = channel["smtp"] or {}
    return {
        **_blank(),
        **{name: channel[name] or "" for name in ("name", "url", "tls_ca_pem")},
        "recipients": "\n".join(channel["recipients"] or ()),
        "smtp": {name: smtp.get(name) or "" for name in _SMTP},
        "thresholds": channel["thresholds"],
        "events": channel["events"],
        "sync_ids": channel["sync_ids"] or [],
        "enabled": channel["enabled"],
    }


def _blank() -> dict[str, Any]:
    limits = {name: getattr(_DEFAULTS, name) for name in Thresholds.__struct_fields__}
    texts = dict.fromkeys(("name", "url", "tls_ca_pem", "recipients"), "")
    return {**texts, "smtp": dict.fromkeys(_SMTP, ""), "thresholds": limits, "sync_ids": []}


def typed(given: Given, chosen: Callable[[str], Sequence[str]]) -> dict[str, Any]:
    """What was filled in, when it was refused; a password is not given back."""
    return {
        **{name: given(name) for name in ("name", "url", "tls_ca_pem", "recipients")},
        "smtp": {name: given(f"smtp.{name}") for name in _SMTP if name != "password"} | {"password": ""},
        "thresholds": {name: given(f"thresholds.{name}") for name in Thresholds.__struct_fields__},
        "events": list(chosen("events")),
        "sync_ids": list(chosen("sync_ids")),
        "enabled": bool(given("enabled")),
    }
