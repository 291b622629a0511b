"""What a mapping means for invoices: where the billed customer's address is found, and what the store is told of it.

The customer is read from the stream of customers, so `email.sources` and `fields` name fields of that stream; the
sync's filter names fields of the invoice.
"""

import msgspec

from app.domain.definition import MappingDefinition
from app.domain.errors import InvalidDefinition
from app.domain.fields import INVOICE
from app.domain.filters import Filter, Predicate, compile_filter
from app.domain.inactive import InactivePolicy
from app.domain.invoice import InvoiceSelection
from app.domain.mapping import CompiledMapping, compile_mapping
from app.domain.ordering import companies_of
from app.domain.store_customers import Build, compile_store_customer

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


def require_companies(filter_: Filter | None) -> tuple[str, ...]:
    """The companies of a sync of invoices. Raises InvalidDefinition when its filter permits any."""
    companies = companies_of(filter_)
    if companies is None:
        raise InvalidDefinition("/filter", ANY_COMPANY)
    return companies
