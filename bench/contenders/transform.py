"""The step that costs only CPU: a page of X3 JSON becomes members, encoded and hashed; ours against plain `json`.

Both get the bytes of the same customers, each in the shape its own query asks for.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from app.connectors.mailchimp.payloads import encode_fragment
from app.connectors.sage_x3.documents import PageDocument
from app.connectors.sage_x3.paths import resolve
from app.connectors.sage_x3.queries import page_document
from app.connectors.sage_x3.translate import compile_translation
from app.domain.inactive import parse_inactive
from app.domain.mapping import compile_mapping, parse_mapping
from app.domain.member import Member
from app.domain.planning import fingerprint
from bench.contenders.reading import QUERY, member_of
from bench.serving import Request
from bench.x3 import X3

ROWS = 500


class Ours:
    """The product's own functions, put together as a run does."""

    def __init__(self) -> None:
        mapping = compile_mapping(
            parse_mapping({"stream": "customers"}), inactive=parse_inactive({"action": "tag", "tag": "x3-inactive"})
        )
        self.members = mapping.members
        translation = compile_translation(mapping.selection, resolve("customers", "x3", {}, None))
        self.party, self.cut_short = translation.party, translation.cut_short
        text = page_document("x3MasterData", "customer", translation.tree.text())
        self.document = PageDocument(text, "x3MasterData", "customer", translation.shape.struct)
        self.content = page_of(text)

    def steps(self) -> dict[str, Callable[[], Any]]:
        """Each step alone, on what the one before gives, then all together."""
        nodes = self.document.read(self.content).nodes
        parties = [self.party(node) for node in nodes]
        members = [made for party in parties for made in self.members(party)]
        return {
            "decode": lambda: self.document.read(self.content),
            "translate": lambda: [self.party(node) for node in nodes],
            "map": lambda: [made for party in parties for made in self.members(party)],
            "encode and hash": lambda: hashed(members),
            "ours": self.page,
        }

    def page(self) -> list[bytes]:
        rows = self.document.read(self.content)
        assert self.cut_short is None or not any(map(self.cut_short, rows.nodes))
        return hashed([made for node in rows.nodes for made in self.members(self.party(node))])


def hashed(members: list[Any]) -> list[bytes]:
    prints = []
    for member in members:
        assert isinstance(member, Member)
        prints.append(fingerprint(member, encode_fragment(member.merge_fields, member.language), encode_fragment))
    return prints


def plain(content: bytes) -> list[bytes]:
    """The same with the standard library alone."""
    page = json.loads(content)["data"]["x3MasterData"]["customer"]["query"]
    members = [member_of(edge["node"]) for edge in page["edges"]]
    return [hashlib.sha256(json.dumps(member, sort_keys=True).encode()).digest()[:16] for member in members]


def page_of(text: str) -> bytes:
    """A page of the stand-in's customers, as bytes."""
    body = json.dumps({"query": text, "variables": {"first": ROWS}}).encode()
    return X3(ROWS, 0.0).answer(Request("POST", "/xtrem/api", "", body, False)).body


def microseconds(work: Callable[[], Any], seconds: float) -> float:
    """CPU per record: the best of several goes, each as long as needed to be measurable."""
    best, until = float("inf"), time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.process_time()
        for _ in range(5):
            work()
        best = min(best, (time.process_time() - began) / 5 / ROWS)
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    ours, content = Ours(), page_of(QUERY)
    assert len(set(ours.page())) == len(set(plain(content))) == ROWS
    costs = {name: round(microseconds(step, given.seconds), 2) for name, step in ours.steps().items()}
    costs["plain"] = round(microseconds(lambda: plain(content), given.seconds), 2)
    print(json.dumps({"name": "transform", "bytes": len(ours.content) // ROWS, "microseconds": costs}), flush=True)


if __name__ == "__main__":
    main()
