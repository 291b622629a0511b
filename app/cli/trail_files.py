"""Checks an exported audit trail, offline: every link of the chain, its signature, and that it holds what an older
export or digest says. A line at a time is in memory."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from app.connections.attesting import BadSignature, PublicKey
from app.db.audit_exports import Line

FORMAT = "ml-connector-audit/1"
_MOST_BYTES = 1024 * 1024  # of a line


class Broken(Exception):
    """The file is not what was exported; the message says why."""


class Digest(NamedTuple):
    """What was signed: the trail of a tenant ended with event `seq`, which has this hash."""

    tenant_id: str
    seq: int
    head: str
    claims: dict[str, Any]


def read_digest(text: bytes, key: PublicKey) -> Digest:
    """A digest as `audit digest` gives it, or the last line of an export. Raises Broken."""
    try:
        claims = key.claims(msgspec.json.decode(text)["signature"])
        if claims["format"] != FORMAT:
            raise Broken(f"This is of the format {str(claims['format'])[:40]!r}; this version knows {FORMAT}.")
        return Digest(str(claims["tenant_id"]), int(claims["last_seq"]), str(claims["head"]), claims)
    except BadSignature as error:
        raise Broken(f"The signature cannot be trusted: {error}.") from None
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        raise Broken("There is no signature at the end: the file was cut, or the export was not finished.") from None


class Trail:
    """Events of an export, each held against the one before."""

    def __init__(self, older: Digest | None) -> None:
        self.first: Line | None = None
        self.last: Line | None = None
        self.events = 0
        self._older = older
        self._hash = sha256()

    def add(self, raw: bytes) -> None:
        """Raises Broken at the first event that does not fit."""
        self._hash.update(raw)
        try:
            line = msgspec.json.decode(raw, type=Line)
        except (msgspec.MsgspecError, ValueError):
            raise Broken(f"Line {self.events + 1} is no event.") from None
        if self.last is None:
            self.first = line
        elif line.seq != self.last.seq + 1:
            raise Broken(f"Event {self.last.seq + 1} is missing, or not in its place.")
        elif not _follows(line, self.last.hash):
            raise Broken(f"Event {line.seq} does not fit the one before: one of the two was changed.")
        if self._older is not None and line.seq == self._older.seq and line.hash != self._older.head:
            raise Broken(f"Event {line.seq} is another one than the older file says: the trail was rewritten.")
        self.last, self.events = line, self.events + 1

    def close(self, digest: Digest) -> None:
        """Is that what was signed? Raises Broken."""
        claims = digest.claims
        if {"first_seq", "previous", "events", "sha256"} - claims.keys():
            raise Broken("The last line is a digest, not the end of an export.")
        begun = self.first.seq if self.first else digest.seq + 1
        ended = (self.last.seq, self.last.hash) if self.last else (digest.seq, digest.head)
        if self.events and (begun, *ended) != (claims["first_seq"], digest.seq, digest.head):
            raise Broken(
                f"The file holds events {begun} to {ended[0]}; {claims['first_seq']} to {digest.seq} were signed."
            )
        if (self.events, self._hash.hexdigest()) != (claims["events"], claims["sha256"]):
            raise Broken("The lines are not the ones that were signed.")
        if self.first is not None and claims["previous"] and not _follows(self.first, claims["previous"]):
            raise Broken(f"Event {self.first.seq} does not fit the one before it, which is not in this file.")
        self._continue(digest)

    def _continue(self, digest: Digest) -> None:
        older, first = self._older, int(digest.claims["first_seq"])
        if older is None:
            return
        if older.tenant_id != digest.tenant_id:
            raise Broken("The older file is of another tenant.")
        if digest.seq < older.seq:
            raise Broken(
                f"The trail ends at event {digest.seq}, but the older file knew {older.seq}: its end was cut off."
            )
        if older.seq < first - 1:
            raise Broken(f"The file begins at event {first}, after the end of the older one ({older.seq}).")
        if older.seq == first - 1 and digest.claims["previous"] not in (None, older.head):
            raise Broken(f"Event {older.seq} is another one than the older file says: the trail was rewritten.")
        if self.events == 0 and digest.head != older.head:
            raise Broken("The trail ends otherwise than the older file says: it was rewritten.")


def _follows(line: Line, previous: str) -> bool:
    try:
        return line.follows(bytes.fromhex(previous))
    except ValueError:
        return False


def check_trail(file: Iterable[bytes], key: PublicKey, older: Digest | None = None) -> Digest:
    """The signed digest of an export that is whole. Raises Broken."""
    trail, held = Trail(older), b""
    for raw in file:
        if held:
            trail.add(held)
        if len(raw) > _MOST_BYTES:
            raise Broken(f"Line {trail.events + 1} is far too long.")
        held = raw
    digest = read_digest(held, key)
    trail.close(digest)
    return digest


def last_line(file: Iterable[bytes]) -> bytes:
    """The last line of an export, or the whole of a digest that stands on several lines."""
    lines = [b""]
    for raw in file:
        lines = [raw] if raw.startswith(b'{"') else [*lines[-20:], raw]
    return b"".join(lines)
