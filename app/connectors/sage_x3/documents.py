"""A GraphQL document together with how its answer is read."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.connectors.sage_x3.failures import GraphQLError, QueryFailed, query_failed
from app.connectors.sage_x3.structs import PageInfo
from app.domain.errors import ProtocolMismatch, Transient

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bodies that are cut off, no JSON, not UTF-8, or nested without end."""


_ESCAPE = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def without_lone_surrogates(content: bytes) -> bytes:
    """Half a surrogate pair, which no text may hold, becomes the replacement character; pairs stay."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if len(found[0]) == 6 else found[0], content)


class Rows(msgspec.Struct):
    """A page of rows as the document's own type; `unreadable` are rows of another shape, as raw JSON."""

    nodes: Sequence[Any]
    cursor: str | None
    more: bool
    unreadable: Sequence[bytes] = ()


class PageDocument:
    """A query for pages of one node; the answer's way down (root, node, query) is part of the compiled type."""

    def __init__(self, text: str, root: str, node: str, row: Any) -> None:
        self._head = b'{"query":' + msgspec.json.encode(text) + b',"variables":'
        self.text = text
        self.name = node
        self._exact = _decoder(root, node, row)
        self._loose = _decoder(root, node, msgspec.Raw)
        self._row = msgspec.json.Decoder(row)

    def body(self, variables: Mapping[str, object]) -> bytes:
        return self._head + msgspec.json.encode(variables) + b"}"

    def read(self, content: bytes) -> Rows:
        """Rows of one answer. An answer with errors is never a page, even when it brings data.

        Raises:
            QueryFailed: X3 says why it did not carry the query out.
            Transient: not JSON, or cut off.
            ProtocolMismatch: JSON of another shape.
        """
        unreadable: list[bytes] = []
        try:
            page = self._page(self._exact.decode(content))
            nodes = [edge.node for edge in page.edges or () if edge is not None and edge.node is not None]
        except UNREADABLE:
            # One odd row (another shape, a broken character) must not cost its neighbours: row by row.
            page = self._page(_decoded(self._loose, without_lone_surrogates(content)))
            nodes = []
            for edge in page.edges or ():
                if edge is not None and bytes(edge.node) not in (b"", b"null"):
                    self._read_row(edge.node, nodes, unreadable)
        info = page.pageInfo or PageInfo()
        return Rows(nodes, info.endCursor, bool(info.hasNextPage), unreadable)

    def _read_row(self, raw: msgspec.Raw, nodes: list[Any], unreadable: list[bytes]) -> None:
        try:
            nodes.append(self._row.decode(raw))
        except UNREADABLE:
            unreadable.append(bytes(raw))

    def _page(self, envelope: Any) -> Any:
        if envelope.errors:
            raise query_failed(envelope.errors)
        try:
            page = envelope.data.root.node.query
        except AttributeError:
            page = None
        if page is None or page.edges is None:
            raise ProtocolMismatch("x3_shape", "Sage X3 answered without the data asked for.", f"no {self.name} rows")
        return page


def _decoder(root: str, node: str, row: Any) -> msgspec.json.Decoder[Any]:
    edge: Any = msgspec.defstruct(
        "Edge", [("node", row, msgspec.Raw()) if row is msgspec.Raw else ("node", row | None, None)], gc=False
    )
    edges: Any = list[edge | None]
    page: Any = msgspec.defstruct("Page", [("edges", edges | None, None), ("pageInfo", PageInfo | None, None)])
    inner: Any = msgspec.defstruct("Node", [("query", page | None, None)])
    middle: Any = msgspec.defstruct("Root", [("node", inner | None, None)], rename={"node": node})
    data: Any = msgspec.defstruct("Data", [("root", middle | None, None)], rename={"root": root})
    errors: Any = list[GraphQLError] | None
    return msgspec.json.Decoder(msgspec.defstruct("Answer", [("data", data | None, None), ("errors", errors, None)]))


def _decoded(decoder: msgspec.json.Decoder[Any], content: bytes) -> Any:
    try:
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        where = str(error).rpartition(" - at ")[2]
        raise ProtocolMismatch("x3_shape", "Sage X3 answered in a shape we do not know.", where[:200]) from None
    except UNREADABLE:
        raise unreadable_answer() from None


class _Loose(msgspec.Struct):
    data: dict[str, Any] | None = None
    errors: list[GraphQLError] | None = None


_LOOSE = msgspec.json.Decoder(_Loose)


def read_data(content: bytes) -> dict[str, Any]:
    """The `data` of any answer as dictionaries, for the few questions that are not pages.

    Raises:
        QueryFailed, Transient, ProtocolMismatch: as PageDocument.read.
    """
    answer = _decoded(_LOOSE, content)
    if answer.errors:
        raise query_failed(answer.errors)
    if answer.data is None:
        raise ProtocolMismatch("x3_shape", "Sage X3 answered without data.")
    found: dict[str, Any] = answer.data
    return found


def failed_query(content: bytes) -> QueryFailed | None:
    """The GraphQL errors in the body of a 400 or 500, None when it holds none."""
    try:
        answer = _LOOSE.decode(content)
    except UNREADABLE:
        return None
    return query_failed(answer.errors) if answer.errors else None


def unreadable_answer() -> Transient:
    return Transient(
        "x3_unreadable", "The answer is not from the X3 API or was cut off: a proxy or a wrong URL may be the cause."
    )
