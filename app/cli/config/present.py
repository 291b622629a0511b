"""A tenant as it is: what the API answers, with the ETags that say which version was read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from app.cli.client import Client

Noun = Literal["connections", "mappings", "syncs"]
NOUNS: tuple[Noun, ...] = ("connections", "mappings", "syncs")


class Thing(NamedTuple):
    """One object as the API answers it."""

    id: str
    etag: str
    body: Mapping[str, Any]


class Ambiguous(Exception):
    """Two objects of a kind have one name, so that a file cannot say which is meant; the message says so."""


class Present:
    """The objects of a tenant by name."""

    def __init__(self, things: Mapping[Noun, Sequence[Thing]]) -> None:
        self.of: dict[Noun, dict[str, Thing]] = {noun: _by_name(noun, things.get(noun, ())) for noun in NOUNS}
        self._names = {(noun, thing.id): name for noun in NOUNS for name, thing in self.of[noun].items()}

    def name(self, noun: Noun, object_id: str) -> str:
        """What an object is called."""
        return self._names.get((noun, object_id), object_id)


def _by_name(noun: Noun, things: Sequence[Thing]) -> dict[str, Thing]:
    found: dict[str, Thing] = {}
    for thing in sorted(things, key=lambda thing: str(thing.body["name"])):
        name = thing.body["name"]
        if name in found:
            both = f"{found[name].id} and {thing.id}"
            raise Ambiguous(f"Two {noun} have the name {name!r} ({both}), and a file knows them by name: rename one.")
        found[name] = thing
    return found


def read_present(client: Client, tenant: str) -> Present:
    """Everything a file may describe. `tenant` is a path, `/v1/tenants/{id}`. Raises Ambiguous."""
    return Present({noun: tuple(_things(client, f"{tenant}/{noun}")) for noun in NOUNS})


def _things(client: Client, path: str) -> Iterator[Thing]:
    for item in client.all(path):
        body, etag = client.get_tagged(f"{path}/{item['id']}")
        yield Thing(body["id"], etag, body)
