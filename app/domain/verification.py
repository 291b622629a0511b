"""What checking a connection found out."""

from collections.abc import Mapping

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One thing looked at; `detail` is a sentence a person can act on when it is not ok."""

    name: str
    ok: bool
    detail: str


class Verification(msgspec.Struct, frozen=True):
    """All checks in the order they were made; `facts` are what is worth keeping with the connection."""

    ok: bool
    checks: tuple[Check, ...]
    facts: Mapping[str, object]
