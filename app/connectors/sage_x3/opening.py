"""A connection, its facts and a selection become a source, over GraphQL or REST."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from app.connectors.pacing import Pacer
from app.connectors.sage_x3.access import Clients, open_access
from app.connectors.sage_x3.hosts import GATEWAY_HOSTS
from app.connectors.sage_x3.paging import Pager, PageSize
from app.connectors.sage_x3.paths import NODES, ROOTS, Generation, lanes, resolve
from app.connectors.sage_x3.patience import FOR_A_PERSON, FOR_A_RUN
from app.connectors.sage_x3.reader import X3Source
from app.connectors.sage_x3.rest.opening import open_rest_source
from app.connectors.sage_x3.rest.reader import RestSource
from app.connectors.sage_x3.settings import X3Settings, read_settings
from app.connectors.sage_x3.tokens import TokenStore
from app.connectors.sage_x3.translate import compile_translation
from app.domain.errors import NeedsTenant
from app.domain.party import Selection

PartySource = X3Source | RestSource


def open_source(
    *,
    kind: str,
    url: str,
    settings: Mapping[str, Any] | X3Settings,
    credential: Mapping[str, Any],
    facts: Mapping[str, Any],
    selection: Selection,
    outbound: Clients,
    pacer: Pacer,
    token_store: TokenStore | None = None,
    gateway_hosts: Sequence[str] = GATEWAY_HOSTS,
    interactive: bool = False,
) -> PartySource:
    """A source bound to one stream; makes no call. `facts` are those of verify(), empty when there are none yet.
    An `interactive` source gives up after seconds instead of minutes: somebody waits at a screen.

    Raises:
        NeedsTenant: settings or credential cannot work, or the stream is not one of parties.
    """
    if kind == "rest_basic":
        return open_rest_source(
            url=url,
            settings=settings,
            credential=credential,
            facts=facts,
            selection=selection,
            outbound=outbound,
            pacer=pacer,
            interactive=interactive,
        )
    stream = selection.stream
    if stream not in NODES:
        raise NeedsTenant("x3_stream", f"{stream[:60]!r} is no stream of parties.")
    read = read_settings(settings)
    generation = _generation(read, facts)
    known = (facts.get("paths") or {}).get(stream) if facts.get("generation") == generation else None
    overrides = read.fields.get(stream, {})
    if known is not None and (facts.get("verified_fields") or {}).get(stream, {}) == overrides:
        known, overrides = {**known}, {}  # the paths found include these, unless X3 does not have them
    try:
        translation = compile_translation(selection, resolve(stream, generation, overrides, known))
    except (ValueError, KeyError) as error:
        raise NeedsTenant("x3_settings", f"settings.fields contradict each other: {error}.") from None
    access = open_access(
        kind=kind,
        url=url,
        settings=read,
        credential=credential,
        facts=facts,
        outbound=outbound,
        pacer=pacer,
        token_store=token_store,
        gateway_hosts=gateway_hosts,
        patience=FOR_A_PERSON if interactive else FOR_A_RUN,
    )
    offered = (facts.get("lanes") or {}).get(stream) if known is not None else None
    chosen = [lane for lane in lanes(stream) if offered is None or lane.node in offered]
    return X3Source(
        stream=stream,
        root=ROOTS[generation],
        node=NODES[stream],
        graphql=access.graphql,
        pager=Pager(access.graphql, PageSize(_page_size(read, facts)), read.filter_dialect),
        translation=translation,
        lanes=chosen,
        warnings=[f"{name} is not offered by this X3 and stays empty." for name in translation.missing]
        + [
            f"{lane.node} is not offered by this X3; its changes are found by reconciling only."
            for lane in lanes(stream)
            if lane not in chosen
        ],
    )


def _generation(settings: X3Settings, facts: Mapping[str, Any]) -> Generation:
    if settings.generation != "auto":
        return settings.generation
    found = facts.get("generation")
    return cast(Generation, found) if found in ROOTS else "x3"


def _page_size(settings: X3Settings, facts: Mapping[str, Any]) -> int:
    learnt = facts.get("page_size")
    return min(settings.page_size, learnt) if isinstance(learnt, int) and learnt > 0 else settings.page_size
