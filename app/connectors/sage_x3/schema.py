"""What this X3's schema offers: walked from field to type, or probed where introspection is refused.

Type names are never guessed: they differ between versions. Source: reference/sage-x3.md 3.1.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from app.connectors.sage_x3 import invoice_paths
from app.connectors.sage_x3.failures import QueryFailed
from app.connectors.sage_x3.graphql import GraphQL
from app.connectors.sage_x3.paths import NODES, ROOTS, Generation, Path, candidates, lanes, parse_path, written
from app.connectors.sage_x3.queries import tree_of
from app.domain.errors import NeedsTenant

_OF_TYPE = "name kind ofType{name kind ofType{name kind ofType{name kind}}}"
_FIELDS = f"fields{{name type{{{_OF_TYPE}}}}}"
_TYPES_AT_ONCE = 8

Wanted = Generation | Literal["auto"]
Types = dict[str, str]  # field name -> name of the type it leads to, lists and non-nulls unwrapped


class Introspection:
    """The schema's types, asked for as they are needed and kept."""

    def __init__(self, graphql: GraphQL) -> None:
        self._graphql = graphql
        self._types: dict[str, Types] = {}

    async def roots(self) -> Types:
        """Fields of the query type.

        Raises:
            QueryFailed: introspection is switched off.
        """
        data = await self._graphql.ask(f"query Roots{{__schema{{queryType{{{_FIELDS}}}}}}}")
        query = (data.get("__schema") or {}).get("queryType") or {}
        return _fields(query)

    async def holds(self, start: Types, paths: Sequence[tuple[str, ...]]) -> set[tuple[str, ...]]:
        """Which chains of field names exist below `start`; a chain must end in a scalar or enum."""
        found: set[tuple[str, ...]] = set()
        waiting = [(path, path, start) for path in paths]
        while waiting:
            ahead: list[tuple[tuple[str, ...], tuple[str, ...], str]] = []
            for path, rest, types in waiting:
                name = types.get(rest[0])
                if name is not None:
                    ahead.append((path, rest[1:], name))
            await self._load({name for _, _, name in ahead})
            found |= {path for path, rest, name in ahead if not rest and not self._types.get(name)}
            waiting = [(path, rest, self._types.get(name, {})) for path, rest, name in ahead if rest]
        return found

    async def _load(self, names: Iterable[str]) -> None:
        wanted = sorted(name for name in names if name not in self._types)
        for at in range(0, len(wanted), _TYPES_AT_ONCE):
            some = wanted[at : at + _TYPES_AT_ONCE]
            asked = " ".join(f't{place}:__type(name:"{name}"){{{_FIELDS}}}' for place, name in enumerate(some))
            data = await self._graphql.patiently(partial(self._graphql.ask, f"query Types{{{asked}}}"))
            for place, name in enumerate(some):
                self._types[name] = _fields(data.get(f"t{place}") or {})


def _fields(type_: Mapping[str, Any]) -> Types:
    return {field["name"]: _innermost(field.get("type") or {}) for field in type_.get("fields") or ()}


def _innermost(type_: Mapping[str, Any]) -> str:
    while type_.get("ofType"):
        type_ = type_["ofType"]
    return str(type_.get("name"))


def chain(root: str, node: str, path: Path) -> tuple[str, ...]:
    """Field names from the query type down to a path of a node's rows."""
    names: list[str] = [root, node, "query", "edges", "node"]
    for step in path:
        names += [step.name, "query", "edges", "node"] if step.many else [step.name]
    return tuple(names)


class Offer:
    """What was found: generation, the path of each field per stream, fields without one, lanes."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.paths: dict[str, dict[str, str]] = {}
        self.missing: list[str] = []
        self.lanes: dict[str, list[str]] = {}
        self.introspected = True


async def explore(graphql: GraphQL, wanted: Wanted, overrides: Mapping[str, Mapping[str, str]]) -> Offer:
    """Find the generation and which candidate of each field this X3 has. `wanted`: auto, x3 or xtremX3.

    Raises:
        NeedsTenant: neither generation's root is there. Transient, ProtocolMismatch: as the X3 answers.
    """
    introspection = Introspection(graphql)
    try:
        roots = await _without_retrying_refusals(introspection)
    except QueryFailed:
        roots = {}
    generation = await _generation(graphql, wanted, roots)
    offer = Offer(generation)
    root = ROOTS[generation]
    offer.introspected = bool(roots)
    for stream, node in NODES.items():
        table = candidates(stream, generation, overrides.get(stream, {}))
        every = {path: parse_path(path) for paths in table.values() for path in paths}
        stream_lanes = lanes(stream)
        if roots:
            chains = {path: chain(root, node, parsed) for path, parsed in every.items()}
            lane_chains = {lane.node: chain(root, lane.node, parse_path("_updateStamp")) for lane in stream_lanes}
            found = await introspection.holds(roots, [*chains.values(), *lane_chains.values()])
            there = {path for path, names in chains.items() if names in found}
            offer.lanes[stream] = [lane for lane, names in lane_chains.items() if names in found]
        else:
            there = await Probe(graphql, root, node).there(every)
            offer.lanes[stream] = [
                lane.node
                for lane in stream_lanes
                if await Probe(graphql, root, lane.node).there({"_updateStamp": parse_path("_updateStamp")})
            ]
        chosen = {name: next((path for path in paths if path in there), None) for name, paths in table.items()}
        offer.paths[stream] = {name: path for name, path in chosen.items() if path is not None}
        offer.missing += [f"{stream}.{name}" for name, path in chosen.items() if path is None]
    await _offer_invoices(offer, introspection if roots else None, roots, graphql, overrides)
    return offer


async def _offer_invoices(
    offer: Offer,
    introspection: Introspection | None,
    roots: Types,
    graphql: GraphQL,
    overrides: Mapping[str, Mapping[str, str]],
) -> None:
    """The same for sales documents and their lines, whose module a site may not have, or not open to the API user."""
    root = invoice_paths.ROOTS[offer.generation]
    for kind, node in ((invoice_paths.STREAM, invoice_paths.NODE), (invoice_paths.LINES, invoice_paths.LINE_NODE)):
        table = invoice_paths.candidates(kind, overrides.get(kind, {}))
        every = {path: parse_path(path) for paths in table.values() for path in paths}
        if introspection is not None:
            chains = {path: chain(root, node, parsed) for path, parsed in every.items()}
            found = await introspection.holds(roots, list(chains.values()))
            there = {path for path, names in chains.items() if names in found}
        else:
            there = await Probe(graphql, root, node).there(every)
        if not there:
            offer.missing.append(kind)
            continue
        chosen = {name: next((path for path in paths if path in there), None) for name, paths in table.items()}
        offer.paths[kind] = {name: path for name, path in chosen.items() if path is not None}
        elsewhere = invoice_paths.TOTALS if offer.generation == "xtremX3" else ()
        offer.missing += [f"{kind}.{name}" for name, path in chosen.items() if path is None and name not in elsewhere]


async def _without_retrying_refusals(introspection: Introspection) -> Types:
    """Introspection may be refused in several ways; every one of them leads to probing."""
    try:
        return await introspection.roots()
    except NeedsTenant as error:
        if error.code in ("x3_bad_request", "x3_forbidden"):
            return {}
        raise


async def _generation(graphql: GraphQL, wanted: Wanted, roots: Types) -> Generation:
    if wanted != "auto":
        return wanted
    for generation, root in ROOTS.items():
        if root in roots or (not roots and await Probe(graphql, root, "customer").there({"_id": parse_path("_id")})):
            return generation
    seen = ", ".join(sorted(roots)[:8]) or "nothing"
    raise NeedsTenant(
        "x3_generation", f"This is no X3 schema we know: neither x3MasterData nor xtremX3MasterData ({seen})."
    )


class Probe:
    """Asks for one row with the paths in question and reads which fields X3 does not know."""

    def __init__(self, graphql: GraphQL, root: str, node: str) -> None:
        self._graphql = graphql
        self._root = root
        self._node = node

    async def there(self, paths: Mapping[str, Path]) -> set[str]:
        """Ask for all at once; what an error names is then asked for alone, for one name may occur in two places."""
        left, doubtful = dict(paths), dict[str, Path]()
        while left:
            unknown = await self._unknown(left)
            if not unknown:
                break
            hit = {text: path for text, path in left.items() if any(step.name in unknown for step in path)}
            hit = hit or left  # an error that names none of them: try each by itself
            doubtful |= hit
            left = {text: path for text, path in left.items() if text not in hit}
        alone = {text for text, path in doubtful.items() if not await self._unknown({text: path})}
        return set(left) | alone

    async def _unknown(self, paths: Mapping[str, Path]) -> Sequence[str]:
        """Names X3 does not know, or is asked for in the wrong shape; empty when it answers."""
        try:
            selection = tree_of(paths.values()).text()
            text = f"query Probe{{{self._root}{{{self._node}{{query(first:1){{edges{{node{{{selection}}}}}}}}}}}}}"
            await patiently_probing(self._graphql, text)
        except QueryFailed as error:
            return error.fields or [written(path) for path in paths.values()][:1]
        except ValueError:
            return [path[0].name for path in paths.values()]
        return ()


async def patiently_probing(graphql: GraphQL, text: str) -> None:
    """Only transport trouble is repeated: a failed query is the answer we are after."""
    failed: list[QueryFailed] = []

    async def attempt() -> None:
        try:
            await graphql.ask(text)
        except QueryFailed as error:
            if error.kind != "rows":
                failed.append(error)

    await graphql.patiently(attempt)
    if failed:
        raise failed[0]
