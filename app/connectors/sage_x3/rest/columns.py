"""Which column of api1 holds each field, where nothing else is configured; several candidates where sites differ.

Only BPCNUM and BPCNAM are documented for a standard list. The other names are X3's column names; indexed columns
carry a number and the default contact's begin with CNT, as in the representation that docs/how-to/connect-x3-rest.md
asks for.
Source: reference/sage-x3.md 4 (X3 field) and 5.2.
"""

from collections.abc import Collection, Mapping

from app.connectors.sage_x3.rest.paths import Path, parse_path

Candidates = tuple[str, ...]

KEYS = {"customers": "BPCNUM", "suppliers": "BPSNUM", "invoices": "NUM", "products": "ITMREF"}
STAMP = "UPDDATTIM"

_DEFAULT_ADDRESS: dict[str, Candidates] = {
    "code": ("BPAADD",),
    "description": ("BPADES",),
    "line1": ("BPAADDLIG1", "BPAADDLIG[1]"),
    "line2": ("BPAADDLIG2", "BPAADDLIG[2]"),
    "line3": ("BPAADDLIG3", "BPAADDLIG[3]"),
    "city": ("CTY",),
    "state": ("SAT",),
    "postal_code": ("POSCOD",),
    "country": ("BPACRY",),
    "country_name": ("CRYNAM",),
    "website": ("FCYWEB",),
    "phone": ("TEL1", "TEL[1]"),
    "fax": ("FAX",),
    "emails": ("WEB1,WEB2,WEB3,WEB4,WEB5", "WEB[]"),
}
_OF_ADDRESS: dict[str, str] = {
    "code": "BPAADD",
    "description": "BPADES",
    "line1": "BPAADDLIG[1]",
    "line2": "BPAADDLIG[2]",
    "line3": "BPAADDLIG[3]",
    "city": "CTY",
    "state": "SAT",
    "postal_code": "POSCOD",
    "country": "CRY",
    "country_name": "CRYNAM",
    "website": "FCYWEB",
    "phone": "TEL[1]",
    "fax": "FAX",
    "emails": "WEB[]",
}
"""Columns of an entry of ADRTAB; the default address is the entry whose BPAADDFLG is 2."""

_OF_CONTACT: dict[str, str] = {
    "code": "CCNCRM",
    "email": "WEB",
    "relationship_email": "CNTCRMWEB",
    "first_name": "CNTFNA",
    "last_name": "CNTLNA",
    "title": "CNTTTL",
    "phone": "TEL",
    "mobile": "MOB",
    "position": "CNTFNC",
    "department": "CNTSRV",
    "language": "CNTLAN",
    "is_mailing_prohibited": "CNTFBDMAG",
}
_DEFAULT_CONTACT = _OF_CONTACT | {"code": "CNTNAM", "email": "CNTWEB", "phone": "CNTTEL", "mobile": "CNTMOB"}

_PARTY: dict[str, Candidates] = {
    "currency": ("CUR",),
    "country": ("CRY", "RCRY"),
    "language": ("LAN",),
    "vat_number": ("EECNUM",),
    "registration_number": ("CRN",),
    "payment_term": ("PTE",),
    "is_mailing_prohibited": ("BPRFBDMAG",),
    "is_customer": ("BPCFLG",),
    "is_supplier": ("BPSFLG",),
    "created_at": ("CREDATTIM",),
    "updated_at": (STAMP,),
    "addresses.emails": ("ADRTAB[].WEB[]",),
    "contacts.email": ("CNTTAB[].WEB",),
    "contacts.relationship_email": ("CNTTAB[].CNTCRMWEB",),
    **{
        f"default_address.{name}": (*names, f"ADRTAB[BPAADDFLG=2].{_OF_ADDRESS[name]}")
        for name, names in _DEFAULT_ADDRESS.items()
    },
    **{f"default_contact.{name}": (column,) for name, column in _DEFAULT_CONTACT.items()},
    **{f"contact.{name}": (f"CNTTAB[].{column}",) for name, column in _OF_CONTACT.items()},
    **{f"sales_rep_{n}": (f"REP{n}", f"REP[{n}]") for n in (1, 2)},
}


def _party(prefix: str, active: str, category: str, groups: str) -> dict[str, Candidates]:
    return {
        "code": (f"{prefix}NUM",),
        "name": (f"{prefix}NAM", "BPRNAM1", "BPRNAM[1]"),
        "name2": (f"{prefix}NAM2", "BPRNAM2", "BPRNAM[2]"),
        "short_name": (f"{prefix}SHO", "BPRSHO"),
        "is_active": (active,),
        "category": (category,),
        **_PARTY,
        **{f"statistical_group_{n}": (f"{groups}{n}", f"{groups}[{n}]") for n in range(1, 6)},
    }


_KINDS = "{1=invoice,2=creditMemo,3=debitNote,4=creditNote,5=proforma}"
_STATES = "{1=notPosted,2=notUsed,3=posted}"

_INVOICES: dict[str, Candidates] = {
    "number": ("NUM",),
    "company": ("CPY",),
    "site": ("SALFCY", "FCY"),
    "category": (f"INVTYP{_KINDS}",),
    "status": (f"INVSTA{_STATES}", f"STA{_STATES}"),
    "date": ("INVDAT", "ACCDAT"),
    "currency": ("CUR",),
    "total_excluding_tax": ("AMTNOT",),
    "total_including_tax": ("AMTATI",),
    "bill_to_customer": ("BPCINV", "BPR"),
    "sold_to_customer": ("BPCORD",),
    "customer_reference": ("SIVORI",),
    "created_at": ("CREDATTIM",),
    "updated_at": (STAMP,),
    "line.number": ("SIVSID[].SIDLIN",),
    "line.product": ("SIVSID[].ITMREF",),
    "line.description": ("SIVSID[].ITMDES",),
    "line.quantity": ("SIVSID[].QTY",),
    "line.price": ("SIVSID[].NETPRI",),
    "line.amount": ("SIVSID[].AMTNOTLIN",),
}
"""Local menus by number: inferred, like the columns STA, INVTYP, CPY, BPCORD, ACCDAT and SIVORI."""

_PRODUCTS: dict[str, Candidates] = {"code": ("ITMREF",), "title": ("ITMDES1", "ITMDES")}

_TABLES: dict[str, dict[str, Candidates]] = {
    "invoices": _INVOICES,
    "products": _PRODUCTS,
    "customers": _party("BPC", "BPCSTA", "BCGCOD", "TSCCOD"),
    "suppliers": _party("BPS", "ENAFLG", "BSGCOD", "TSSCOD"),
}


def resolve(
    stream: str, overrides: Mapping[str, str], known: Collection[str] | None
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """One path per field, and the fields none of whose columns this X3 shows. `known` are the columns that verification
    saw; without it the first candidate is taken on trust. Settings win over the table."""
    paths: dict[str, Path] = {}
    missing: list[str] = []
    table = {**_TABLES[stream], **{name: (written,) for name, written in overrides.items()}}
    for name, candidates in table.items():
        chosen = next((path for one in candidates if _is_shown(path := parse_path(one), known)), None)
        if chosen is None:
            missing.append(name)
        else:
            paths[name] = chosen
    return paths, tuple(missing)


def _is_shown(path: Path, known: Collection[str] | None) -> bool:
    return known is None or not path.columns.isdisjoint(known)
