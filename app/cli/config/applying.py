"""Changes through the API, each against the version it was planned for."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx

from app.cli.client import Client, problem_sentence
from app.cli.config.connections import Connection
from app.cli.config.faults import Faulty
from app.cli.config.mappings import Mapping as MappingEntry
from app.cli.config.planning import Change
from app.cli.config.present import NOUNS, Noun, Present
from app.cli.config.syncs import Sync
from app.cli.config.wanted import Wanted

_MEANWHILE = (
    "It was changed by somebody else since it was read, and has been left as they made it. "
    "Look at `ml-connector config diff`, then apply again."
)


class Stopped(Exception):
    """The API refused a change; the message says which and why."""


class Applying:
    """One application of a file. `tenant` is a path; `environment` is where secrets come from."""

    def __init__(
        self, client: Client, tenant: str, wanted: Wanted, present: Present, environment: Mapping[str, str]
    ) -> None:
        self._client, self._tenant = client, tenant
        self._document, self._environment = wanted.document, environment
        self._ids = {(noun, name): thing.id for noun in NOUNS for name, thing in present.of[noun].items()}
        self._bodies: dict[str, dict[str, Any]] = {}

    def prepare(self, changes: Sequence[Change]) -> None:
        """Find every secret that will be needed, before anything is changed. Raises Faulty."""
        faults = []
        for change in changes:
            if isinstance(change.entry, Connection):
                try:
                    self._bodies[change.name] = self._connection(change.entry, change)
                except Faulty as error:
                    faults += error.faults
        if faults:
            raise Faulty(faults)

    def _connection(self, entry: Connection, change: Change) -> dict[str, Any]:
        if change.now is None:
            return entry.created(self._document, self._environment)
        return entry.changed(self._document, self._environment, change.now)

    def apply(self, change: Change) -> list[str]:
        """Do one change; what the API warns of. Raises Stopped."""
        answer = self._client.attempt(*self._request(change), **self._options(change))
        if answer.status_code == httpx.codes.PRECONDITION_FAILED:
            raise Stopped(f"{described(change)}: {_MEANWHILE}")
        if not answer.is_success:
            raise Stopped(f"{described(change)}: {problem_sentence(answer)}")
        body = answer.json() if answer.content else {}
        if change.kind == "create":
            self._ids[change.noun, change.name] = body["id"]
        return [str(warning) for warning in body.get("warnings", ())]

    def _request(self, change: Change) -> tuple[str, str]:
        path = f"{self._tenant}/{change.noun}"
        if change.now is None:
            return "POST", path
        methods = {"delete": "DELETE", "change": "PUT" if change.noun == "mappings" else "PATCH"}
        return methods[change.kind], f"{path}/{change.now.id}"

    def _options(self, change: Change) -> dict[str, Any]:
        tag = {"If-Match": change.now.etag} if change.now else {"Idempotency-Key": str(uuid4())}
        return {"headers": tag} if change.entry is None else {"headers": tag, "json": self._body(change)}

    def _body(self, change: Change) -> dict[str, Any]:
        if isinstance(change.entry, Connection):
            return self._bodies[change.name]
        if isinstance(change.entry, MappingEntry):
            return change.entry.body()
        assert isinstance(change.entry, Sync)  # noqa: S101  # one of the three
        if change.now is None:
            return {"name": change.name, **change.entry.body(list(change.entry.shape), self._id)}
        names = dict.fromkeys(re.split(r"[. ]", difference.path)[0] for difference in change.differences)
        return change.entry.body(list(names), self._id)

    def _id(self, noun: Noun, name: str) -> str:
        return self._ids[noun, name]


def described(change: Change) -> str:
    """`sync 'customers to newsletter'`."""
    return f"{change.noun[:-1]} {change.name!r}"
