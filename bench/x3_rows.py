"""Customers of the stand-in Sage X3: any selection becomes a template that is filled in row by row."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from graphql.language import FieldNode, SelectionSetNode

Places = Sequence[int]
"""Numbers of customers, ascending; 1 is the first."""

_CITIES = ("Lyon", "München", "Barcelona", "Torino", "Gent", "Aix-en-Provence", "Köln", "Valladolid")
_COUNTRIES = ("FR", "DE", "ES", "IT", "BE", "FR", "DE", "ES")
_LANGUAGES = ("FRA", "GER", "SPA", "ITA", "DUT", "FRA", "GER", "SPA")
_FIRST = ("Élodie", "Jürgen", "María", "Giulia", "Pieter", "Chloé", "Anke", "José", "Marco", "Lotte", "Hugo")
_LAST = ("Lefèvre-Martin", "Müller", "García Hernández", "Rossi", "De Smet", "Bernard", "Schröder", "Núñez", "Conti")
_TRADES = ("Industrie", "Distribution", "Agroalimentaire", "Mécanique de précision", "Logistique", "Textiles")

# What leaves are called and what stands in them; `code` depends on whose it is.
_LEAVES = {
    "_id": '"%(code)s"',
    "_updateStamp": '"%(stamp)s"',
    "_createStamp": '"2019-03-04T05:06:07.000Z"',
    "companyName": '"%(name)s"',
    "companyName1": '"%(name)s"',
    "shortCompanyName": '"%(code)s"',
    "addressLine": '"%(number)s rue de la République"',
    "city": '"%(city)s"',
    "zipCode": '"%(zip)s"',
    "countryName": '"%(country)s"',
    "addressPhoneNumber": '"+33 4 72 %(phone)s"',
    "addressEmail": '"%(email)s"',
    "email": '"%(email)s"',
    "relationshipEmail": '"%(email)s"',
    "relationshipFirstName": '"%(first)s"',
    "relationshipLastName": '"%(last)s"',
    "relationshipIsMailingProhibited": "false",
    "isMailingProhibited": "false",
    "denormalizedIndex": "1",
    "hasNextPage": "false",
}
_CODES = {
    "country": '"%(country)s"',
    "language": '"%(language)s"',
    "relationshipLanguage": '"%(language)s"',
    "category": '"%(category)s"',
    "customerCategory": '"%(category)s"',
    "currency": '"EUR"',
    "defaultAddress": '"A01"',
    "value": '"STD"',
    "paymentTerm": '"CH30NETEOM"',
}
_PERSONS = frozenset({"contacts", "defaultContact", "contactRelationship", "customerContact"})


def template(selection: SelectionSetNode, node: str) -> bytes:
    """One edge, `{"node": {...}}`, with places for the values of Customers.values(); collections hold one row."""
    return ('{"node":' + _object(selection, (node,)) + "}").encode()


def _object(selection: SelectionSetNode, inside: tuple[str, ...]) -> str:
    return "{" + ",".join(_field(field, inside) for field in selection.selections if isinstance(field, FieldNode)) + "}"


def _field(field: FieldNode, inside: tuple[str, ...]) -> str:
    name = field.name.value
    if field.selection_set is None:
        return f'"{name}":{_leaf(name, inside)}'
    passing = name in ("query", "edges", "node", "pageInfo")  # no place of its own in X3's data
    inner = _object(field.selection_set, inside if passing else (*inside, name))
    return f'"{name}":[{inner}]' if name == "edges" else f'"{name}":{inner}'


def _leaf(name: str, inside: tuple[str, ...]) -> str:
    if name == "code":
        known = _CODES.get(inside[-1])
        is_person = not _PERSONS.isdisjoint(inside) and "customer" not in inside[1:]
        return known or ('"P%(number)s"' if is_person else '"%(code)s"')
    known = _LEAVES.get(name)
    return known or ("true" if name.startswith("is") else f'"{name} of the record"')


class Keyed:
    """Rows by their codes, ascending."""

    def __init__(self, codes: Sequence[str]) -> None:
        self.codes = codes
        self.every: Places = range(1, len(codes) + 1)

    def between(self, after: str | None, until: str | None) -> Places:
        """Those whose code is above `after` and not above `until`."""
        low = bisect_right(self.codes, after) if after is not None else 0
        high = bisect_right(self.codes, until) if until is not None else len(self.codes)
        return range(low + 1, high + 1)

    def named(self, codes: Sequence[str]) -> Places:
        """Those of these codes that exist."""
        found = []
        for code in sorted(codes):
            place = bisect_left(self.codes, code)
            if place < len(self.codes) and self.codes[place] == code:
                found.append(place + 1)
        return found


class Customers(Keyed):
    """`count` customers with codes C0000001 and up; the first `changed` of them have a new name and stamp."""

    def __init__(self, count: int) -> None:
        super().__init__([f"C{number:07d}" for number in range(1, count + 1)])
        self.changed = 0
        self.changes = 0
        self._stamp = _stamp(datetime.now(UTC) - timedelta(days=30))
        self._new_stamp = self._stamp

    def change(self, count: int) -> None:
        """As if somebody renamed the first `count` companies now."""
        self.changed = count
        self.changes += 1
        self._new_stamp = _stamp(datetime.now(UTC))

    def since(self, stamp: str) -> Places:
        """Those whose stamp is not before this one."""
        if self._stamp >= stamp:
            return self.every
        return range(1, self.changed + 1) if self.changed and self._new_stamp >= stamp else ()

    def rows(self, form: bytes, places: Places) -> list[bytes]:
        """One edge each."""
        return [form % self._values(number) for number in places]

    def _values(self, number: int) -> dict[bytes, bytes]:
        is_new = number <= self.changed
        trade = _TRADES[number % 6]
        name = f"Établissements {_LAST[number % 9]} {trade} {number}" + (f" ({self.changes})" if is_new else "")
        return {
            b"code": self.codes[number - 1].encode(),
            b"number": b"%d" % number,
            b"name": name.encode(),
            b"stamp": (self._new_stamp if is_new else self._stamp).encode(),
            b"city": _CITIES[number % 8].encode(),
            b"zip": b"%05d" % (number % 90000 + 1000),
            b"country": _COUNTRIES[number % 8].encode(),
            b"language": _LANGUAGES[number % 8].encode(),
            b"category": b"EXP" if number % 3 else b"DOM",
            b"phone": b"%06d" % (number % 1_000_000),
            b"first": _FIRST[number % 11].encode(),
            b"last": _LAST[number % 9].encode(),
            b"email": b"contact.%d@etablissements-%d.example-trade.eu" % (number, number % 977),
        }


def _stamp(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.000Z")
