"""What a mapping means for invoices: where the billed customer's address is found, and what the store is told of it.

The customer is read from the stream of customers, so `email.sources` and `fields` name fields of that stream; the
sync's filter names fields of the invoice.
"""

from collections.abc import Sequence

import msgspec

from app.domain.definition import MappingDefinition
from app.domain.errors import InvalidDefinition
from app.domain.fields import INVOICE
from app.domain.filters import Filter, Predicate, compile_filter
from app.domain.inactive import InactivePolicy
from app.domain.invoice import InvoiceSelection
from app.domain.mapping import CompiledMapping, compile_mapping
from app.domain.member import Member, Skip
from app.domain.ordering import companies_of
from app.domain.party import Party
from app.domain.store_customers import DEFAULT_RULES, Build, compile_store_customer, fields_of

DOCUMENT_FIELDS = tuple(field.name for field in INVOICE)
ANY_COMPANY = "Invoices of all companies of the folder come together: the filter must say which, by `company` and `in`."


class CompiledOrders(msgspec.Struct, frozen=True):
    """What a run of invoices needs. `customers.members(party)` tells address and prohibition, `customer` makes the
    store's customer of the party's values."""

    selection: InvoiceSelection
    carried: Predicate
    customers: CompiledMapping
    customer: Build


def compile_orders(definition: MappingDefinition, filter_: Filter | None) -> CompiledOrders:
    """Raises:
    InvalidDefinition: the filter permits any company, or a rule can never give a text.
    """
    companies = require_companies(filter_)
    assert filter_ is not None  # noqa: S101 - it names companies
    customers, customer = compile_buyers(definition)
    fields = tuple(dict.fromkeys([*DOCUMENT_FIELDS, *filter_.fields]))
    carried = compile_filter(filter_, {name: place for place, name in enumerate(fields)})
    return CompiledOrders(InvoiceSelection(fields, companies), carried, customers, customer)


def compile_buyers(definition: MappingDefinition) -> tuple[CompiledMapping, Build]:
    """How billed customers are read, and made customers of a store."""
    people = msgspec.structs.replace(definition, stream="customers", tags=(), language=None)
    customers = compile_mapping(people, inactive=InactivePolicy())
    places = {name: place for place, name in enumerate(customers.selection.fields)}
    return customers, compile_store_customer(definition.fields, places)


def with_store_fields(mapping: CompiledMapping) -> tuple[CompiledMapping, Build]:
    """A mapping of members whose parties also carry what a store's customer needs, and what makes one of them."""
    selection = mapping.selection
    own = len(selection.fields)
    extra = [name for name in fields_of(DEFAULT_RULES) if name not in selection.fields]
    fields = (*selection.fields, *extra)
    members = mapping.members

    def of_own_fields(party: Party) -> Sequence[Member | Skip]:
        return members(msgspec.structs.replace(party, values=party.values[:own]))

    wider = msgspec.structs.replace(
        mapping, selection=msgspec.structs.replace(selection, fields=fields), members=of_own_fields
    )
    return wider, compile_store_customer(DEFAULT_RULES, {name: place for place, name in enumerate(fields)})


def require_companies(filter_: Filter | None) -> tuple[str, ...]:
    """The companies of a sync of invoices. Raises InvalidDefinition when its filter permits any."""
    companies = companies_of(filter_)
    if companies is None:
        raise InvalidDefinition("/filter", ANY_COMPANY)
    return companies
