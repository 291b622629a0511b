"""Where each field lives in X3's GraphQL schema, per generation and stream; several candidates where sites differ.

Notation: `currency.code` follows references, `contacts[].email` every row of a collection,
`addressLines[1].addressLine` the row whose `denormalizedIndex` is 1.
Source: developer.sage.com/x3, GraphQL reference x3MasterData; reference/sage-x3.md section 4.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from app.domain.errors import NeedsTenant

Generation = Literal["x3", "xtremX3"]
ROOTS: dict[Generation, str] = {"x3": "x3MasterData", "xtremX3": "xtremX3MasterData"}
NODES = {"customers": "customer", "suppliers": "supplier"}
EMAIL_LISTS = frozenset({"default_address.emails", "addresses.emails", "contacts.email", "contacts.relationship_email"})

_STEP = re.compile(r"(_?[A-Za-z][A-Za-z0-9_]*)(\[(\d{0,3})\])?")


class Step(msgspec.Struct, frozen=True):
    """One name on the way; `index` picks one row of a collection by its denormalizedIndex."""

    name: str
    many: bool = False
    index: int | None = None


Path = tuple[Step, ...]
KEY: Path = (Step("code"), Step("code"))


def parse_path(text: str) -> Path:
    """Raises:
    NeedsTenant: not in our notation; comes from the connection's settings.
    """
    steps = []
    for part in text.split("."):
        found = _STEP.fullmatch(part)
        if found is None or part.startswith("__"):
            raise NeedsTenant("x3_settings", f"{text[:100]!r} in settings.fields is not a path such as currency.code.")
        steps.append(Step(found[1], found[2] is not None, int(found[3]) if found[3] else None))
    return tuple(steps)


_ADDRESS = {
    "code": "code",
    "description": "description",
    "line1": "addressLines[1].addressLine",
    "line2": "addressLines[2].addressLine",
    "line3": "addressLines[3].addressLine",
    "city": "city",
    "state": "state",
    "postal_code": "zipCode",
    "country": "country.code",
    "country_name": "countryName",
    "website": "website",
    "phone": "addressPhoneNumbers[1].addressPhoneNumber",
    "fax": "fax",
    "emails": "addressEmails[].addressEmail",
}
_CONTACT = {
    "code": "code.code",
    "email": "email",
    "relationship_email": "relationshipEmail",
    "first_name": "relationshipFirstName",
    "last_name": "relationshipLastName",
    "title": "relationshipTitle",
    "phone": "landline",
    "mobile": "cellPhone",
    "position": "position",
    "department": "department",
    "language": "relationshipLanguage.code",
    "is_mailing_prohibited": "relationshipIsMailingProhibited",
}

Candidates = tuple[str, ...]

_PARTY: dict[str, Candidates] = {
    "code": ("code.code",),
    "name": ("companyName1", "companyName", "code.companyName1", "companyNames[1].companyName"),
    "name2": ("code.companyName2", "companyName2", "companyNames[2].companyName", "code.companyNames[2].companyName"),
    "short_name": ("code.shortCompanyName", "shortCompanyName"),
    "is_active": ("isActive",),
    "currency": ("currency.code",),
    "country": ("country.code", "code.country.code"),
    "language": ("language.code", "code.language.code"),
    "vat_number": ("code.europeanUnionVatNumber",),
    "registration_number": ("code.siteIdentificationNumber",),
    "payment_term": ("paymentTerm.code",),
    **{f"statistical_group_{n}": (f"statisticalGroups[{n}].value.code",) for n in range(1, 6)},
    **{f"sales_rep_{n}": (f"salesReps[{n}].salesRep.code.code",) for n in (1, 2)},
    "is_mailing_prohibited": ("code.isMailingProhibited",),
    "is_customer": ("code.isCustomer",),
    "is_supplier": ("code.isSupplier",),
    "created_at": ("_createStamp",),
    "updated_at": ("_updateStamp",),
    "addresses.emails": ("addresses[].addressEmails[].addressEmail",),
    "contacts.email": ("contacts[].email",),
    "contacts.relationship_email": ("contacts[].relationshipEmail",),
    **{f"default_contact.{name}": (f"defaultContact.{path}",) for name, path in _CONTACT.items()},
    # Read inside each contact, so these are relative to it.
    **{f"contact.{name}": (f"contacts[].{path}",) for name, path in _CONTACT.items()},
}
_CUSTOMER: dict[str, Candidates] = {
    **_PARTY,
    "category": ("customerCategory.code", "category.code"),
    **{f"default_address.{name}": (f"defaultAddress.{path}",) for name, path in _ADDRESS.items()},
}
_SUPPLIER: dict[str, Candidates] = {
    **_PARTY,
    "category": ("category.code", "supplierCategory.code"),
    **{
        f"default_address.{name}": (f"addressByDefault.{path}", f"defaultAddress.{path}")
        for name, path in _ADDRESS.items()
    },
}
# G1 spells some names the other way round; what comes first is what an unverified connection asks for.
_OLDER: dict[str, dict[str, Candidates]] = {
    "customers": {
        "name": ("companyName", "companyName1", "code.companyNames[1].companyName"),
        "name2": ("code.companyNames[2].companyName", "companyNames[2].companyName", "code.companyName2"),
        "category": ("category.code", "customerCategory.code"),
    },
    "suppliers": {
        "name": ("companyName", "companyName1", "code.companyNames[1].companyName"),
        "name2": ("code.companyNames[2].companyName", "companyNames[2].companyName", "code.companyName2"),
    },
}


def candidates(stream: str, generation: Generation, overrides: Mapping[str, str]) -> dict[str, Candidates]:
    """Every field of a stream and the paths that may hold it, best first; settings win over the table."""
    table = dict(_CUSTOMER if stream == "customers" else _SUPPLIER)
    if generation == "xtremX3":
        table.update(_OLDER[stream])
    table.update({name: (path,) for name, path in overrides.items()})
    return table


class Lane(msgspec.Struct, frozen=True):
    """A node whose stamps tell of changed parties; `owner` leads from its row to the party's code.

    `flag` names the yes/no property that says the row concerns this stream. A lane of persons (`contactRelationship`)
    has no owner: its parties are found through the `through` node.
    """

    node: str
    owner: Path
    flag: str | None = None
    through: str | None = None


def lanes(stream: str) -> tuple[Lane, ...]:
    """The lanes of a stream: e-mails and names live in rows with stamps of their own.

    Source: reference/sage-x3.md 6 (trap 1) and 7.
    """
    node = NODES[stream]
    owner = parse_path(f"{node}.code.code")
    flag = "isCustomer" if stream == "customers" else "isSupplier"
    return (
        Lane(node, KEY),
        Lane("businessPartner", (Step("code"),), flag=flag),
        Lane(f"{node}Address", owner),
        Lane(f"{node}Contact", owner),
        Lane("contactRelationship", (Step("code"),), through=f"{node}Contact"),
    )


def resolve(
    stream: str, generation: Generation, overrides: Mapping[str, str], known: Mapping[str, str] | None
) -> dict[str, Path]:
    """One path per field. `known` is what verification found on this X3 (fields it did not find are left out);
    without it the first candidate is taken on trust. Settings made after a verification are taken on trust too."""
    table = candidates(stream, generation, overrides)
    if known is None:
        return {name: parse_path(paths[0]) for name, paths in table.items()}
    chosen = {**known, **overrides}
    return {name: parse_path(path) for name, path in chosen.items()}


def written(path: Iterable[Step]) -> str:
    """A path in our notation."""
    return ".".join(
        step.name + ("" if not step.many else f"[{'' if step.index is None else step.index}]") for step in path
    )
