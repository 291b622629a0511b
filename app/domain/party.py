"""What is read from Sage X3: a party (customer or supplier), its contacts, and pages of them."""

import msgspec

Value = str | int | float | bool | None
"""A source value as it leaves the connector: text stripped, blanks are None, decimals stay decimal strings."""


class Selection(msgspec.Struct, frozen=True):
    """What a mapping needs from the source, in the order it wants it.

    `email_sources` name e-mail fields in order of preference (`default_address.emails`, `default_contact.email`,
    `contacts.email`, ...); `fields` name the party-level fields whose values fill `Party.values`; `contact_fields`
    (`contact.first_name`, ...) fill `Contact.values`. `contacts` says whether contacts are read at all
    (always in `per_contact` mode); where the party itself is the member, `only_prohibited` ones are: those who must
    not get mailings.
    """

    stream: str
    email_sources: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    contact_fields: tuple[str, ...] = ()
    contacts: bool = False
    only_prohibited: bool = False


class Contact(msgspec.Struct, frozen=True, gc=False):
    """One person at a party; `code` is unique within the party only."""

    code: str
    emails: tuple[str, ...]  # raw, in slot order: one string may hold several addresses or garbage
    is_prohibited: bool
    values: tuple[Value, ...]  # in the order of Selection.contact_fields


class Party(msgspec.Struct, frozen=True, gc=False):
    """One customer or supplier, complete with what the selection asked for."""

    code: str
    is_active: bool
    is_prohibited: bool  # the business partner's or (per_party) the default contact's mailing-prohibited flag
    emails: tuple[tuple[str, ...], ...]  # one tuple of raw strings per Selection.email_sources, in that order
    values: tuple[Value, ...]  # in the order of Selection.fields
    contacts: tuple[Contact, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """A row the source would not give or that could not be read; it becomes a dead letter."""

    code: str
    reason: str  # stable code, e.g. "x3_row_refused", "x3_row_unreadable"
    message: str  # a sentence for the tenant


class SourcePage(msgspec.Struct, frozen=True):
    """One page in key order; `last_key` is the key to resume after, None when the page is empty."""

    parties: tuple[Party, ...]
    refused: tuple[Refusal, ...]
    last_key: str | None


class Changes(msgspec.Struct, frozen=True):
    """Codes of parties touched since a lower bound, as one lane reported them; codes may repeat between lanes."""

    lane: str
    codes: tuple[str, ...]
    behind_seconds: float | None = None  # age of the oldest row beyond the expected window, for sizing the overlap
