"""Why a customer is, or is not, in an audience: everything the API knows of one code or address."""

from collections.abc import Mapping
from typing import Any

from app.cli.client import Client, problem_sentence
from app.console.explaining import status_of, verdict


class Question:
    """One code or address, asked of one tenant (a path)."""

    def __init__(self, client: Client, tenant: str, who: str) -> None:
        self._client, self._tenant, self._who = client, tenant, who
        self._is_code = "@" not in who
        streams = client.get("/v1/streams")["items"]
        self._makes_members = {stream["name"]: stream["makes_members"] for stream in streams}
        self._syncs = {sync["id"]: sync for sync in client.all(f"{tenant}/syncs")}

    def answers(self, sync_id: str | None) -> list[dict[str, Any]]:
        """What each sync, or the one, has made of it so far."""
        which = {"code" if self._is_code else "email": self._who}
        records = self._client.all(f"{self._tenant}/records", most=200, sync_id=sync_id, **which)
        return [self._answer(record) for record in records]

    def _answer(self, record: Mapping[str, Any]) -> dict[str, Any]:
        at, sync = self._tenant, self._syncs[record["sync_id"]]
        makes_members = self._makes_members[sync["stream"]]
        asks = record["email"] and makes_members
        consent = self._client.all(f"{at}/consent", email=record["email"]) if asks else []
        rejected = record["state"] == "rejected"
        letters = self._client.all(f"{at}/dead-letters", sync_id=sync["id"], state="open") if rejected else []
        return {
            "sync": sync,
            "record": record,
            "verdict": verdict(record, makes_members).sentence,
            "status": status_of(consent, sync["target"]["audience_id"]),
            "dead_letters": [letter for letter in letters if letter["key"] == record["key"]],
            "timeline": self._client.get(f"{at}/records/{record['id']}/timeline")["items"],
        }

    def looks(self, sync_id: str | None) -> list[dict[str, Any]]:
        """What a run of each sync, or of the one, would make of a code now; it is read from X3, nothing is written."""
        return [self._look(sync) for sync in self._syncs.values() if self._is_code and sync_id in (None, sync["id"])]

    def _look(self, sync: Mapping[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {"connection_id": sync["source_connection_id"], "codes": [self._who]}
        if self._makes_members[sync["stream"]]:
            audience = {"audience_connection_id": sync["target_connection_id"]}
            body |= {**audience, "audience_id": sync["target"]["audience_id"]}
        answer = self._client.attempt("POST", f"{self._tenant}/mappings/{sync['mapping_id']}/preview", json=body)
        if not answer.is_success:
            return {"sync": sync, "items": [], "problem": problem_sentence(answer)}
        return {"sync": sync, "items": answer.json()["items"], "problem": None}
