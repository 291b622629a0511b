"""One address, found in whatever was sealed: exactly that address, not one that contains it."""

import re
from urllib.parse import unquote_to_bytes

import msgspec

from app.domain.member import subscriber_hash


class Needle:
    """Compares without case. Bodies are looked at as they are and, since forms are kept too, percent-decoded."""

    def __init__(self, email: str) -> None:
        self.email = email.strip()
        self.hash = subscriber_hash(email)
        self._text = self.email.lower().encode()
        self._pattern = re.compile(rb"(?<![a-z0-9._%+-])" + re.escape(self._text) + rb"(?![a-z0-9-]|\.[a-z0-9])")

    @property
    def length(self) -> int:
        """Of the address in bytes: sealed, it is as much longer as every other text."""
        return len(self.email.encode())

    def is_email(self, other: bytes) -> bool:
        """Whether an opened address is this one."""
        return other.decode().strip().lower() == self.email.lower()

    def is_in(self, body: bytes) -> bool:
        """Whether an opened body names it."""
        return self._found(body) or (b"%40" in body and self._found(unquote_to_bytes(body.replace(b"+", b" "))))

    def _found(self, body: bytes) -> bool:
        lowered = body.lower()
        return self._text in lowered and self._pattern.search(lowered) is not None

    def without(self, page: bytes) -> bytes | None:
        """A change page in which every entry that names it keeps code, decision and reason only; None when none does.

        Entries are arrays: key, code, email, decision, reason, body, tags, warnings.
        """
        if not self.is_in(page):
            return None
        entries = msgspec.json.decode(page, type=list[msgspec.Raw])
        kept = [_bare(bytes(entry)) if self.is_in(bytes(entry)) else bytes(entry) for entry in entries]
        return b"[" + b",".join(kept) + b"]"


def _bare(entry: bytes) -> bytes:
    key, code, _email, decision, reason, *_ = msgspec.json.decode(entry, type=list[object])
    return msgspec.json.encode([key, code, None, decision, reason, {}, [], []])
