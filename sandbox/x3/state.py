"""One Sage X3: a folder of tables, the applications that may call it, and the clock it stamps rows with."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache

import msgspec

from sandbox import pools
from sandbox.data import FIRST_STAMP
from sandbox.data import Folder as Rows
from sandbox.faults import Faults
from sandbox.rows import (
    Address,
    Contact,
    Customer,
    Invoice,
    InvoiceLine,
    Named,
    Partner,
    Person,
    Product,
    Supplier,
)  # fmt: skip
from sandbox.x3.tables import Table


@lru_cache(maxsize=200_000)
def iso(stamp: int) -> str:
    """A stamp the way X3 writes it: UTC, milliseconds that are always zero."""
    return datetime.fromtimestamp(stamp, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Settings(msgspec.Struct, kw_only=True):
    """How this X3 is set up. Times in seconds.

    `audience` is the registered URL of the connected application that `aud` must equal byte for byte; None takes the
    URL the request came to. `filter_dialect` says which filter strings are understood. `page_maximum` caps `first`.
    """

    endpoint: str = "SEED"
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret-of-at-least-32-bytes!"  # noqa: S105 - an example system's, printed at start
    username: str = "MLC"
    password: str = "sandbox"  # noqa: S105 - an example system's, printed at start
    audience: str | None = None
    accept_empty_audience: bool = True
    require_subject: bool = False
    allowed_users: tuple[str, ...] = ("adc",)  # beside `username`: whom a token may name
    token_validity_seconds: int = 600
    basic_on_graphql: bool = True
    introspection: bool = True
    generations: tuple[str, ...] = ("x3",)
    filter_dialect: str = "both"  # both | json | relaxed
    page_maximum: int = 1000
    clock_skew_seconds: float = 0.0
    page_latency_seconds: float = 0.0
    unsortable_by_stamp: tuple[str, ...] = ("paymentTerm",)
    region: str = "eu-sandbox"
    access_token_seconds: int = 300
    refresh_token_seconds: int = 2_629_800
    approval: str = "auto"  # auto | later | ask: a page with two buttons
    callback: str = "get"  # get | post_form | post_json
    customer_endpoint: str | None = None
    cloud_folders: tuple[str, ...] = ("SEED",)
    rest_hides: tuple[str, ...] = ()  # columns absent from every REST representation, e.g. UPDDATTIM
    rest_hides_classes: tuple[str, ...] = ()  # classes this X3 does not have, e.g. BPADDRESS
    rest_list_is_narrow: bool = False  # the $query facet shows only code, name and stamps
    rest_bad_escapes: bool = False
    rest_page_maximum: int = 1000
    rest_link_host: str | None = None  # the internal host some proxies leave in $next links


class Folder:
    """The tables of one X3 folder."""

    def __init__(self, rows: Rows) -> None:
        self.partners: Table[Partner] = Table(rows.partners)
        self.customers: Table[Customer] = Table(rows.customers)
        self.suppliers: Table[Supplier] = Table(rows.suppliers)
        self.customer_addresses: Table[Address] = Table(rows.customer_addresses, ("owner",))
        self.supplier_addresses: Table[Address] = Table(rows.supplier_addresses, ("owner",))
        self.customer_contacts: Table[Contact] = Table(rows.customer_contacts, ("owner", "person"))
        self.supplier_contacts: Table[Contact] = Table(rows.supplier_contacts, ("owner", "person"))
        self.persons: Table[Person] = Table(rows.persons)
        self.products: Table[Product] = Table(rows.products)
        self.invoices: Table[Invoice] = Table(rows.invoices)
        self.lines: Table[InvoiceLine] = Table(rows.lines, ("invoice",))
        self.terms: Table[Named] = Table(
            Named(id=code, created=FIRST_STAMP, stamp=FIRST_STAMP, name=code) for code in pools.TERMS
        )
        self.companies: Table[Named] = Table(
            Named(id=code, created=FIRST_STAMP, stamp=FIRST_STAMP, name=f"Company {code}", currency=currency)
            for code, _, currency in pools.COMPANIES
        )


class X3State:
    """Everything one X3 server holds; `clock` gives seconds since 1970 and may be replaced."""

    def __init__(self, rows: Rows, settings: Settings | None = None, seed: int = 1) -> None:
        self.settings = settings or Settings()
        self.folder = Folder(rows)
        self.faults = Faults(seed)
        self.requests: Counter[str] = Counter()
        self.clock: Callable[[], float] = time.time

    def now(self) -> float:
        """The X3 server's own time, wrong by `clock_skew_seconds`."""
        return self.clock() + self.settings.clock_skew_seconds

    def date_header(self) -> bytes:
        return formatdate(self.now(), usegmt=True).encode()
