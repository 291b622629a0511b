"""Why a record is, or is not, in the audience: sentences and fields from what the API tells. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.console import wording

_PERSONAL = ("EMAIL", "language", "tags")


class Verdict(NamedTuple):
    """The answer, and its tone."""

    sentence: str
    tone: str


class FieldView(NamedTuple):
    """One field: where it comes from, what was last sent and by which run, what X3 would have us send now."""

    name: str
    source: str
    sent: Any
    run_id: str | None
    now: Any
    is_known_now: bool

    @property
    def differs(self) -> bool:
        return self.is_known_now and self.sent is not None and str(self.now) != str(self.sent)


def verdict(record: Mapping[str, Any], makes_members: bool) -> Verdict:
    """What the ledger says."""
    place = "the audience" if makes_members else "the store"
    if record["state"] == "synced":
        inactive = "" if record["is_active"] else " X3 marks it inactive, which the sync's policy deals with."
        return Verdict(f"It is carried into {place}.{inactive}", "good")
    why = wording.reason(record["reason"]) or "No reason was kept."
    if record["state"] == "rejected":
        return Verdict(f"It was refused. {why} It waits as a dead letter.", "bad")
    return Verdict(f"It is left out of {place}. {why}", "warn")


def status_of(consent: Sequence[Mapping[str, Any]], audience_id: str) -> Mapping[str, Any] | None:
    """The newest status of a person in an audience, from their consent, which comes newest first."""
    return next((seen for seen in consent if seen["audience_id"] == audience_id), None)


def fields(
    timeline: Sequence[Mapping[str, Any]], mapping: Mapping[str, Any], member: Mapping[str, Any] | None
) -> list[FieldView]:
    """Every field that was ever sent or would be sent now, in the order of the mapping."""
    sent: dict[str, tuple[Any, str | None]] = {}
    for event in timeline:
        if event["action"] != "consent.noted":
            sent |= {name: (change["after"], event["run_id"]) for name, change in (event["fields"] or {}).items()}
    at_present = _present(member)
    rules = {rule["target"]: _source(rule) for rule in mapping["fields"]}
    rules |= {"EMAIL": ", ".join(mapping["email"]["sources"]), "language": mapping["language"] or ""}
    names = [*_PERSONAL[:1], *(rule["target"] for rule in mapping["fields"]), *_PERSONAL[1:]]
    known = dict.fromkeys(name for name in (*names, *sent, *at_present) if name in sent or name in at_present)
    return [
        FieldView(name, rules.get(name, ""), *sent.get(name, (None, None)), at_present.get(name), member is not None)
        for name in known
    ]


def _source(rule: Mapping[str, Any]) -> str:
    if "constant" in rule:
        return f"fixed: {rule['constant']}"
    return " + ".join(rule["source"]) if isinstance(rule["source"], list) else str(rule["source"])


def _present(member: Mapping[str, Any] | None) -> dict[str, Any]:
    if member is None:
        return {}
    found = {"EMAIL": member["email_address"], **member["merge_fields"], **member["fill_fields"]}
    if member["language"]:
        found["language"] = member["language"]
    if member["tags"]:
        found["tags"] = member["tags"]
    return found
