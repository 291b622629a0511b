"""A party as a customer of a store: which of its fields go where, compiled once per run."""

from collections.abc import Callable, Sequence

from app.domain.commerce import PostalAddress, StoreCustomer
from app.domain.definition import FieldRule
from app.domain.errors import InvalidDefinition
from app.domain.merge_rules import Compute, Places, Values, compile_field, needed
from app.domain.merge_values import MergeType
from app.domain.transforms import Transform
from app.domain.values import Unusable

TARGETS = ("COMPANY", "FNAME", "LNAME", "ADDRESS1", "ADDRESS2", "CITY", "PROVINCE", "POSTCODE", "COUNTRY")
"""What a mapping of invoices may fill, spelt like merge tags; COUNTRY is the two-letter code."""

_TRIM = (Transform("trim"),)

DEFAULT_RULES = tuple(
    FieldRule(target, (source,), transforms=_TRIM)
    for target, source in (
        ("COMPANY", "name"),
        ("FNAME", "default_contact.first_name"),
        ("LNAME", "default_contact.last_name"),
        ("ADDRESS1", "default_address.line1"),
        ("ADDRESS2", "default_address.line2"),
        ("CITY", "default_address.city"),
        ("PROVINCE", "default_address.state"),
        ("POSTCODE", "default_address.postal_code"),
        ("COUNTRY", "default_address.country"),
    )
)

Build = Callable[[str, str, Values], StoreCustomer]
"""Makes the store customer of an X3 code, an e-mail address and the party's values."""


def fields_of(rules: Sequence[FieldRule]) -> tuple[str, ...]:
    """The source fields these rules need."""
    return tuple(dict.fromkeys(name for rule in rules for source in rule.sources for name in needed(source)))


def compile_store_customer(rules: Sequence[FieldRule], places: Places) -> Build:
    """`places` says where each source field stands in the values. What cannot be written is left out.

    Raises:
        InvalidDefinition: a rule that can never give a text.
    """
    text = MergeType("text")
    computed = {rule.target: compile_field(rule, places, text, "/fields") for rule in rules}

    def build(code: str, email: str, values: Values) -> StoreCustomer:
        found = {target: _written(compute, values) for target, compute in computed.items()}
        return StoreCustomer(
            code,
            email,
            company=found.get("COMPANY", ""),
            first_name=found.get("FNAME", ""),
            last_name=found.get("LNAME", ""),
            address=_address(found),
        )

    return build


def _written(compute: Compute, values: Values) -> str:
    try:
        value = compute(values, [])
    except Unusable:
        return ""
    return "" if value is None else str(value)


def _address(found: dict[str, str]) -> PostalAddress | None:
    parts = [found.get(name, "") for name in ("ADDRESS1", "ADDRESS2", "CITY", "PROVINCE", "POSTCODE", "COUNTRY")]
    return PostalAddress(*parts) if any(parts) else None


def check_targets(rules: Sequence[FieldRule]) -> None:
    """Raises InvalidDefinition for a target that customers of a store do not have."""
    for place, rule in enumerate(rules):
        if rule.target not in TARGETS:
            raise InvalidDefinition(f"/fields/{place}/target", f"Must be one of {', '.join(TARGETS)}.")
