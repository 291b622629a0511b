"""Finds the e-mail address in what people typed into an e-mail slot of Sage X3."""

import re
import unicodedata
from collections.abc import Iterator

LONGEST_SLOT = 2000
"""Characters looked at in one slot; X3's own slots hold 80."""

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(rf"{_LOCAL}@(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{2,59}})").fullmatch

_IGNORED = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ud800-\udfff]")
_IDEOGRAPHIC_STOPS = str.maketrans({"\u3002": ".", "\uff61": "."})
_MAILTO = re.compile(r"mailto:", re.IGNORECASE)
_QUERY = re.compile(r"\?[A-Za-z]+=.*")
_BETWEEN = re.compile(r"[\s;,<>()\[\]\"\u201c\u201d\u00ab\u00bb]+")
_WRAPPING = "'`\u2018\u2019:"


def is_ordinary(raw: str) -> bool:
    """True for an address that needs no repair: what nearly every filled slot holds."""
    return len(raw) <= 254 and _ADDRESS(raw) is not None and (len(raw) <= 65 or raw.index("@") <= 64)


def addresses(raw: str) -> Iterator[str]:
    """Every valid address in one slot, in order: `;`, `,`, blanks, `<...>`, `mailto:`, quotes and trailing dots are
    understood, the domain is lower-cased and IDNA-encoded, the local part keeps its case.

    As strict as Mailchimp: at most 254 characters, 64 before the @, a top-level domain of letters, no two dots in a
    row, ASCII before the @.
    """
    if is_ordinary(raw):
        yield raw
        return
    for token in _tokens(raw):
        address = _repaired(token)
        if address is not None:
            yield address


def first_address(slots: tuple[str, ...]) -> str | None:
    """The first valid address of these slots, or None."""
    for raw in slots:
        if len(raw) <= 65 and _ADDRESS(raw):  # is_ordinary() without the call: this line sees every record
            return raw
        for address in addresses(raw):
            return address
    return None


def is_garbage(raw: str) -> bool:
    """True for a slot that holds something, though no address: blanks, dashes and dots alone are nothing."""
    return any(map(str.isalnum, raw)) or "@" in raw


def fault(raw: str) -> str:
    """Why a slot holds no valid address, without repeating any of it."""
    tokens = [token for token in _tokens(raw) if "@" in token]
    if not tokens:
        return "no @ in it"
    local, _, domain = tokens[0].rpartition("@")
    if "@" in local:
        return "more than one @"
    if not local or not domain:
        return "nothing before or after the @"
    if len(local) > 64 or len(tokens[0]) > 254:
        return "too long"
    if ".." in tokens[0]:
        return "two dots in a row"
    if "." not in domain:
        return "no top-level domain"
    return "characters before the @ that no address may hold" if not local.isascii() else "not a valid address"


def _tokens(raw: str) -> Iterator[str]:
    """The pieces of a slot that could be addresses, in compatibility form (full-width letters become plain)."""
    text = unicodedata.normalize("NFKC", _IGNORED.sub("", raw[:LONGEST_SLOT])).translate(_IDEOGRAPHIC_STOPS)
    for piece in _BETWEEN.split(_MAILTO.sub(" ", text)):
        token = _QUERY.sub("", piece).lstrip(_WRAPPING).rstrip(_WRAPPING + ".") if "@" in piece else ""
        if token.count("@") > 1:
            yield from filter(None, re.split(r"[/|&]", token))
        elif token:
            yield token


def _repaired(token: str) -> str | None:
    local, _, domain = token.rpartition("@")
    if len(token) > 320:
        return None
    domain = domain.lower()
    if not domain.isascii():
        domain = _idna(domain) or ""
    address = f"{local}@{domain}"
    return address if is_ordinary(address) else None


def _idna(domain: str) -> str | None:
    """The ASCII form of an international domain; None when it has none or when encoding would change the name
    (the old rules turn `ß` into `ss`, which may be somebody else's domain)."""
    try:
        encoded = domain.encode("idna")
        return encoded.decode("ascii") if encoded.decode("idna") == domain else None
    except UnicodeError:
        return None
