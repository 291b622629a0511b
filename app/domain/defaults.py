"""What a mapping means when it leaves something out, per stream."""

from app.domain.definition import EmailMode, EmailRule, FieldRule, TagRule
from app.domain.transforms import Transform

_PARTY_SOURCES = ("default_address.emails", "default_contact.email", "contacts.email")
_FALLBACK_SOURCES = ("default_address.emails",)
_KIND = {"customers": "customer", "suppliers": "supplier"}

_TRIM = (Transform("trim"),)


def default_email(mode: EmailMode = "per_party") -> EmailRule:
    """In `per_contact` mode the sources serve only companies none of whose contacts has an address."""
    return EmailRule(_PARTY_SOURCES if mode == "per_party" else _FALLBACK_SOURCES, mode)


def default_fields(stream: str, mode: EmailMode) -> tuple[FieldRule, ...]:
    """FNAME, LNAME and company data as texts (addresses without a state make Mailchimp's ADDRESS unusable in most
    countries); suppliers carry KIND as well, so that they can share the customers' audience."""
    person = "contact" if mode == "per_contact" else "default_contact"
    rules = (
        _text("FNAME", f"{person}.first_name"),
        _text("LNAME", f"{person}.last_name"),
        _text("COMPANY", "name"),
        _text("PHONE", "default_address.phone"),
        _text("CITY", "default_address.city"),
        _text("POSTCODE", "default_address.postal_code"),
        FieldRule("COUNTRY", ("country",), transforms=(Transform("country"),)),
        _text("LANGUAGE", "language"),
        _text("CATEGORY", "category"),
        FieldRule("X3CODE", ("code",)),
    )
    return rules if stream == "customers" else (*rules, FieldRule("KIND", constant=_KIND[stream]))


def default_tags(stream: str) -> tuple[TagRule, ...]:
    return (TagRule(f"x3-{_KIND[stream]}"),)


DEFAULT_LANGUAGE = "language"


def _text(target: str, source: str) -> FieldRule:
    return FieldRule(target, (source,), transforms=_TRIM)
