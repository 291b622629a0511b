"""`settings.rest`: which class and representation holds each kind of row, and where its columns are. All optional."""

import re
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from app.connectors.sage_x3.rest.paths import parse_path
from app.domain.errors import NeedsTenant

Rows = Literal["customers", "suppliers", "invoices", "products", "partners", "addresses", "contacts", "persons"]
"""What settings.rest may describe: the streams, products, and rows whose stamps tell of changed customers."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_PLACEHOLDER = re.compile(r"\{(since|date)\}")

_CLASSES: dict[Rows, str] = {
    "customers": "BPCUSTOMER",
    "suppliers": "BPSUPPLIER",
    "invoices": "SINVOICEV",
    "products": "ITMMASTER",
    "partners": "BPARTNER",
    "addresses": "BPADDRESS",
    "contacts": "CONTACT",
    "persons": "CONTACTCRM",
}
DELTA_WHERE = "UPDDATTIM ge @{since}@"


class RestRows(msgspec.Struct, frozen=True, kw_only=True):
    """As a tenant gives it. `representation` follows `class` when only that is given. `delta_where` is a template with
    `{since}` (2026-03-01T08:30:00Z) or `{date}` (2026-03-01); empty: no changes are looked for here.
    `details_per_row` None: as the list demands."""

    class_: str | None = msgspec.field(name="class", default=None)
    representation: str | None = None
    paths: dict[str, str] = {}
    delta_where: str | None = None
    details_per_row: bool | None = None


class RestClass(msgspec.Struct, frozen=True):
    """Where one kind of rows is, defaults filled in. `is_delta_given`: the tenant vouches for `delta_where`."""

    name: str
    representation: str
    paths: Mapping[str, str]
    delta_where: str
    is_delta_given: bool
    details_per_row: bool | None


def rest_class(given: Mapping[str, RestRows], rows: Rows) -> RestClass:
    one = given.get(rows) or RestRows()
    name = one.class_ or _CLASSES[rows]
    return RestClass(
        name,
        one.representation or name,
        one.paths,
        DELTA_WHERE if one.delta_where is None else one.delta_where.strip(),
        bool(one.delta_where and one.delta_where.strip()),
        one.details_per_row,
    )


def check_rest(given: Mapping[str, RestRows]) -> None:
    """Raises:
    NeedsTenant: a kind of rows, class, representation, path or template that cannot be used.
    """
    for rows, one in given.items():
        if rows not in get_args(Rows):
            raise NeedsTenant("x3_settings", f"settings.rest names {rows[:60]!r}; it may name {_names()}.")
        for what, name in (("class", one.class_), ("representation", one.representation)):
            if name is not None and not _NAME.fullmatch(name):
                raise NeedsTenant(
                    "x3_settings",
                    f"settings.rest.{rows}.{what} must be a plain name such as {_CLASSES[rows]}.",  # type: ignore[index]  # it is one of Rows
                )
        for path in one.paths.values():
            parse_path(path)
        if one.delta_where is not None and not is_template(one.delta_where):
            raise NeedsTenant(
                "x3_settings", f"settings.rest.{rows}.delta_where must hold {{since}} or {{date}}, as in {DELTA_WHERE}."
            )


def is_template(where: str) -> bool:
    """Whether `delta_where` depends on an instant, or is empty."""
    return not where.strip() or _PLACEHOLDER.search(where) is not None


def _names() -> str:
    return ", ".join(get_args(Rows))
