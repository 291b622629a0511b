"""A stand-in Sage X3 for measuring: GraphQL pages of customers and invoices, as fast as they can be written.

    python -m bench.x3 --records 100000 --page-ms 300

It answers the questions the product asks (`app/connectors/sage_x3/`) and those of the baselines, and notes every other.
It checks nothing: for strictness there is `sandbox/`. `POST /change?count=n` renames the first n customers.
"""

import argparse
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec
from graphql import parse
from graphql.language import FieldNode, IntValueNode, OperationDefinitionNode

from bench import x3_invoices
from bench.serving import Answer, Request, StandIn, serve
from bench.x3_invoices import HEAD, LINE, Invoices
from bench.x3_rows import Customers, Keyed, Places, template


class Question(NamedTuple):
    """What a document asks for: `form` is a row's template, `first` what stands in the document itself."""

    kind: str  # ping | count | page | probe
    root: str = ""
    node: str = ""
    form: bytes = b""
    first: int | None = None


class _Variables(msgspec.Struct):
    first: int | None = None
    after: str | None = None
    filter: str | None = None
    orderBy: str | None = None  # noqa: N815 - X3's spelling


class _Body(msgspec.Struct):
    query: str
    variables: _Variables = msgspec.field(default_factory=_Variables)


_body = msgspec.json.Decoder(_Body)
_NO_INTROSPECTION = b'{"data":null,"errors":[{"message":"GraphQL introspection is not allowed"}]}'


@lru_cache(maxsize=1000)
def question(text: str) -> Question:
    """Read a document of the kind the product generates, once."""
    operation = parse(text).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    root = _only(operation)
    if root.name.value == "__typename":
        return Question("ping")
    if root.name.value.startswith("__") or root.alias is not None:
        return Question("introspection")
    node = _only(root)
    query = _only(node)
    inner = {field.name.value: field for field in _fields(query)}
    where = root.name.value, node.name.value
    if "totalCount" in inner:
        return Question("count", *where)
    make = x3_invoices.template if node.name.value in (HEAD, LINE) else template
    form = make(_only(inner["edges"]).selection_set, node.name.value)  # type: ignore[arg-type]
    first = next((int(a.value.value) for a in query.arguments if isinstance(a.value, IntValueNode)), None)
    is_probe = operation.name is not None and operation.name.value == "Probe"
    return Question("probe" if is_probe else "page", *where, form, first)


def _fields(parent: Any) -> list[FieldNode]:
    return [field for field in parent.selection_set.selections if isinstance(field, FieldNode)]


def _only(parent: Any) -> FieldNode:
    return _fields(parent)[0]


class UnknownFilter(Exception):
    """A condition the product never sends."""


class X3(StandIn):
    """`page_seconds` is what every call takes. Customers buy about five times each."""

    def __init__(self, records: int, page_seconds: float, invoices: int = 0) -> None:
        super().__init__()
        self.customers = Customers(records)
        self.invoices = Invoices(invoices, customers=records, products=max(invoices // 50, 10))
        self._seconds = page_seconds
        self.rows = 0

    def statistics(self) -> dict[str, Any]:
        cents = self.invoices.revenue()
        return {**super().statistics(), "rows": self.rows, "revenue": f"{cents // 100}.{cents % 100:02d}"}

    def answer(self, request: Request) -> Answer:
        if request.path == "/change":
            self.customers.change(int(parse_qs(request.query)["count"][0]))
            return Answer(b"{}")
        body = _body.decode(request.body)
        asked = question(body.query)
        self.traffic.requests[f"{asked.kind} {asked.node}".strip()] += 1
        return Answer(self._data(asked, body.variables), self._seconds)

    def _data(self, asked: Question, given: _Variables) -> bytes:
        if asked.kind == "ping":
            return b'{"data":{"__typename":"Query"}}'
        if asked.kind == "introspection":
            return _NO_INTROSPECTION
        if asked.kind == "count":
            return _wrapped(asked, b'{"totalCount":%d}' % len(self._table(asked.node).every))
        try:
            places = self._chosen(asked.node, given.filter)
        except UnknownFilter as error:
            self.refuse(f"filter {error} of {asked.node}")
            return b'{"data":null,"errors":[{"message":"unknown filter"}]}'
        return self._page(asked, given, places)

    def _table(self, node: str) -> Keyed:
        return self.invoices if node in (HEAD, LINE) else self.customers

    def _page(self, asked: Question, given: _Variables, places: Places) -> bytes:
        if asked.node == LINE:
            return self._lines(asked, given, places)
        table = self._table(asked.node)
        first = asked.first or given.first or 20
        begin = 0
        if given.after is not None:
            code = msgspec.json.decode(given.after.rpartition("#")[0], type=list[str])[0]
            last = table.named([code])[0]
            begin = places.index(last) + 1
        if given.orderBy is not None and '"_id":-1' in given.orderBy:
            places = places[::-1]
        shown = places[begin : begin + first]
        self.rows += len(shown)
        more = begin + len(shown) < len(places)
        edges = b",".join((self.invoices if table is self.invoices else self.customers).rows(asked.form, shown))
        cursor = msgspec.json.encode(f'["{table.codes[shown[-1] - 1]}"]#40') if shown else b"null"
        info = b'{"endCursor":%b,"hasNextPage":%b}' % (cursor, b"true" if more else b"false")
        return _wrapped(asked, b'{"pageInfo":%b,"edges":[%b]}' % (info, edges))

    def _lines(self, asked: Question, given: _Variables, places: Places) -> bytes:
        """All lines of a few invoices: they are asked for so that one page holds them."""
        edges = self.invoices.line_rows(asked.form, places[:1] if asked.kind == "probe" else places)
        if asked.kind == "probe":
            edges = edges[: asked.first or 1]
        if given.after is not None or len(edges) > (asked.first or given.first or 20):
            self.refuse(f"{len(edges)} lines in pages of {given.first}")
        self.rows += len(edges)
        info = b'{"endCursor":null,"hasNextPage":false}'
        return _wrapped(asked, b'{"pageInfo":%b,"edges":[%b]}' % (info, b",".join(edges)))

    def _chosen(self, node: str, text: str | None) -> Places:
        """The customers or invoices a filter leaves; rows of other nodes have stamps too old to be found."""
        places: Places = self._table(node).every
        if text is None:
            return places
        read = msgspec.json.decode(text)
        if node in (HEAD, LINE):
            found = self.invoices.chosen(read if isinstance(read, list) else [read])
            if found is None:
                raise UnknownFilter(text)
            return found
        for condition in read if isinstance(read, list) else [read]:
            kept = set(found) if not isinstance(found := self._one(node, condition), range) else found
            places = found if places is self.customers.every else [place for place in places if place in kept]
        return places

    def _one(self, node: str, condition: Any) -> Places:
        match condition:
            case {"_updateStamp": {"_gte": str(stamp), **rest}} if not rest:
                return self.customers.since(stamp) if node == "customer" else ()
            case {"_id": dict(limits)} if limits.keys() <= {"_gt", "_lte"}:
                return self.customers.between(_key(limits, "_gt"), _key(limits, "_lte"))
            case {"code": {"code": {"_in": [*codes]}}}:
                return self.customers.named(codes)
        raise UnknownFilter(condition)


def _key(limits: dict[str, Any], name: str) -> str | None:
    key: str | None = limits.get(name)
    return key


def _wrapped(asked: Question, inner: bytes) -> bytes:
    return b'{"data":{"%b":{"%b":{"query":%b}}}}' % (asked.root.encode(), asked.node.encode(), inner)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--invoices", type=int, default=0)
    parser.add_argument("--page-ms", type=float, default=0.0)
    given = parser.parse_args()
    serve(X3(given.records, given.page_ms / 1000, given.invoices), "x3")


if __name__ == "__main__":
    main()
