"""A REST connection, its facts and a selection become a RestSource."""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from app.connectors.pacing import Pacer
from app.connectors.sage_x3.access import Clients, part_of
from app.connectors.sage_x3.auth import Basic
from app.connectors.sage_x3.paging import PageSize
from app.connectors.sage_x3.patience import FOR_A_PERSON, FOR_A_RUN, Patience
from app.connectors.sage_x3.rest.client import Api1, base_of
from app.connectors.sage_x3.rest.columns import KEYS, resolve
from app.connectors.sage_x3.rest.invoice_rows import VITAL
from app.connectors.sage_x3.rest.invoices import RestInvoices
from app.connectors.sage_x3.rest.lanes import lanes
from app.connectors.sage_x3.rest.listing import Pager
from app.connectors.sage_x3.rest.paths import parse_path
from app.connectors.sage_x3.rest.reader import RestSource
from app.connectors.sage_x3.rest.settings import RestClass, Rows, rest_class
from app.connectors.sage_x3.rest.translate import compile_translation
from app.connectors.sage_x3.settings import X3Settings, read_settings
from app.domain.errors import NeedsTenant
from app.domain.invoice import InvoiceSelection
from app.domain.party import Selection

STREAMS = ("customers", "suppliers")


class Seen(msgspec.Struct, frozen=True):
    """Columns that verification saw of one class, in lists and in details."""

    class_: str = msgspec.field(name="class")
    representation: str
    listed: frozenset[str]
    detailed: frozenset[str]

    @property
    def known(self) -> frozenset[str]:
        return self.listed | self.detailed


def open_api(
    *,
    url: str,
    settings: X3Settings,
    credential: Mapping[str, Any],
    outbound: Clients,
    pacer: Pacer,
    patience: Patience = FOR_A_RUN,
) -> Api1:
    """Raises:
    NeedsTenant: address, endpoint or credential cannot work.
    """
    return Api1(
        outbound.client(tls_ca_pem=settings.tls_ca_pem, tls_verify=settings.tls_verify),
        base_of(url, settings.endpoint),
        Basic(part_of(credential, "username"), part_of(credential, "password")),
        pacer,
        headers=settings.headers,
        link_hosts=settings.link_hosts,
        patience=patience,
        timeout_seconds=settings.request_timeout_seconds,
        max_body_bytes=settings.max_body_bytes,
    )


def open_rest_source(
    *,
    url: str,
    settings: Mapping[str, Any] | X3Settings,
    credential: Mapping[str, Any],
    facts: Mapping[str, Any],
    selection: Selection,
    outbound: Clients,
    pacer: Pacer,
    interactive: bool = False,
) -> RestSource:
    """As app.connectors.sage_x3.opening.open_source, for the kind rest_basic. Makes no call.

    Raises:
        NeedsTenant: settings or credential cannot work, or the stream is not one of parties.
    """
    stream = selection.stream
    if stream not in STREAMS:
        raise NeedsTenant("x3_stream", f"{stream[:60]!r} is no stream of parties.")
    read = read_settings(settings)
    api = open_api(
        url=url,
        settings=read,
        credential=credential,
        outbound=outbound,
        pacer=pacer,
        patience=FOR_A_PERSON if interactive else FOR_A_RUN,
    )
    classes = {rows: rest_class(read.rest, rows) for rows in get_args(Rows)}
    own = classes["customers" if stream == "customers" else "suppliers"]
    key = key_of(own, stream)
    seen = seen_of(facts, stream, own)
    paths, _ = resolve(stream, own.paths, None if seen is None else seen.known)
    translation = compile_translation(selection, key, paths)
    return RestSource(
        stream=stream,
        key=key,
        class_=own,
        pager=Pager(api, PageSize(_page_size(read, facts))),
        translation=translation,
        lanes=lanes(stream, key),
        classes=classes,
        listed=() if seen is None else seen.listed,
        known=None if seen is None else seen.known,
        warnings=[f"{name} is not shown by {own.name} and stays empty." for name in translation.missing],
    )


def open_rest_invoices(
    *,
    settings: Mapping[str, Any] | X3Settings,
    facts: Mapping[str, Any],
    selection: InvoiceSelection,
    most_rows: int,
    interactive: bool = False,
    **given: Any,
) -> RestInvoices:
    """As app.connectors.sage_x3.invoice_opening.open_invoices, for the kind rest_basic. Makes no call.

    Raises:
        NeedsTenant: settings or credential cannot work, or this X3 does not show what orders need.
    """
    read = read_settings(settings)
    parts = {name: given[name] for name in ("url", "credential", "outbound", "pacer")}
    api = open_api(settings=read, patience=FOR_A_PERSON if interactive else FOR_A_RUN, **parts)
    own, goods = rest_class(read.rest, "invoices"), rest_class(read.rest, "products")
    seen, seen_goods = seen_of(facts, "invoices", own), seen_of(facts, "products", goods)
    paths, missing = resolve("invoices", own.paths, None if seen is None else seen.known)
    lacking = [name for name in VITAL if name in missing]
    if lacking:
        raise NeedsTenant("x3_invoices", f"{own.name} does not show invoices.{lacking[0]}; orders need it.")
    titles, _ = resolve("products", goods.paths, None if seen_goods is None else seen_goods.known)
    return RestInvoices(
        key=key_of(own, "invoices"),
        class_=own,
        products=(goods, key_of(goods, "products"), titles),
        paths=paths,
        fields=selection.fields,
        companies=selection.companies,
        pager=Pager(api, PageSize(min(_page_size(read, facts), most_rows))),
        listed=() if seen is None else seen.listed,
        known=None if seen is None else seen.known,
    )


def key_of(class_: RestClass, stream: str) -> str:
    """The column of the record's key; `paths.code` (of invoices `paths.number`) may name another one."""
    written = class_.paths.get("number" if stream == "invoices" else "code")
    return KEYS[stream] if written is None else parse_path(written).branches[0][0].name


def seen_of(facts: Mapping[str, Any], stream: str, class_: RestClass) -> Seen | None:
    """What verification saw of this very class and representation, None when it saw no record."""
    told = (facts.get("rest") or {}).get(stream)
    try:
        seen = msgspec.convert(told, Seen)
    except msgspec.ValidationError:
        return None
    is_same = (seen.class_, seen.representation) == (class_.name, class_.representation)
    return seen if is_same and seen.listed else None


def _page_size(settings: X3Settings, facts: Mapping[str, Any]) -> int:
    learnt = facts.get("page_size")
    return min(settings.page_size, learnt) if isinstance(learnt, int) and learnt > 0 else settings.page_size
