"""One Mailchimp: accounts with users and keys, audiences with members, and the clock."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec

from sandbox.faults import Faults
from sandbox.mailchimp.consent import Cause, ConsentLedger

FieldType = Literal[
    "text", "number", "address", "phone", "date", "url", "imageurl", "radio", "dropdown", "birthday", "zip"
]


@lru_cache(maxsize=100_000)
def iso(at: int) -> str:
    """An instant the way Mailchimp writes it."""
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def subscriber_hash(email: str) -> str:
    """Hexadecimal MD5 of the lower-cased address: a member's id."""
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


class Settings(msgspec.Struct, kw_only=True):
    """How this Mailchimp behaves. Latencies in seconds, counted from the arrival of a request.

    Where the vendor's behaviour is unknown the choice is a switch: `put_unarchives` (what PUT without a status does to
    an archived member: status_if_new, previous, or stays), `archived_exists` (POST and bulk insert treat an archived
    member as existing), `archived_listed` (GET members without a status lists archived ones), `silent_compliance`
    (bulk keeps the old status of a protected row without an error).
    """

    data_centre: str = "us6"
    call_latency_seconds: float = 0.0
    batch_latency_seconds: float = 0.0
    member_latency_seconds: float = 0.0
    operation_latency_seconds: float = 0.0
    connections: int = 10
    enforce_connections: bool = True
    put_unarchives: str = "status_if_new"
    archived_exists: bool = True
    archived_listed: bool = False
    silent_compliance: bool = False
    strict_merge_fields: bool = False
    sign_webhooks: bool = True
    validate_webhooks: bool = True
    batch_result_seconds: int = 600
    webhook_retry_seconds: tuple[float, ...] = (1, 2, 4, 8, 16)  # the vendor's grow over 75 minutes
    redirect_uris: tuple[str, ...] = ()  # those registered; empty accepts any
    owner_refuses: bool = False
    owner_is_asked: bool = False  # a page with two buttons
    client_id: str = "sandbox-mailchimp-client"
    client_secret: str = "sandbox-mailchimp-secret"  # noqa: S105 - an example system's, printed at start


class User(msgspec.Struct):
    """A login with its keys and tokens; the ten connections belong to it."""

    login_id: str
    email: str
    role: str
    credentials: set[str]
    in_flight: int = 0
    max_in_flight: int = 0


class MergeField(msgspec.Struct):
    """A merge field of an audience."""

    merge_id: int
    tag: str
    name: str
    type: FieldType
    required: bool = False
    default_value: str = ""
    public: bool = False
    display_order: int = 1
    help_text: str = ""
    options: dict[str, Any] = {}


class Member(msgspec.Struct, gc=False):
    """A contact of one audience; times are seconds since 1970."""

    email: str
    hash: str
    person: int
    status: str
    merge_fields: dict[str, Any]
    tags: frozenset[int]
    created: int
    changed: int
    opted: int
    language: str = ""
    email_type: str = "html"
    vip: bool = False
    self_unsubscribed: bool = False
    before_archive: str | None = None
    archived_by_api: bool = False
    unsubscribe_reason: str | None = None
    poisoned: bool = False
    interests: dict[str, bool] | None = None
    extra: dict[str, Any] | None = None
    writes: int = 0


class Segment(msgspec.Struct):
    """A static segment, which is a tag; or a saved one, which only keeps its conditions."""

    id: int
    name: str
    type: str
    created: int
    updated: int
    members: set[str]
    options: dict[str, Any] | None = None


class Audience:
    """A list: its members by hash, its merge fields and segments, and who may never come back."""

    def __init__(self, id_: str, name: str, now: int, *, double_optin: bool = False) -> None:
        self.id = id_
        self.name = name
        self.created = now
        self.double_optin = double_optin
        self.settings: dict[str, Any] = {}
        self.members: dict[str, Member] = {}
        self.forgotten: set[str] = set()
        self.left: dict[str, str] = {}  # addresses moved away from: hash -> the status they had
        self.fields: dict[str, MergeField] = {}
        self.segments: dict[int, Segment] = {}
        self.tag_ids: dict[str, int] = {}
        self.webhooks: dict[str, Any] = {}
        self.categories: dict[str, dict[str, Any]] = {}
        self.ledger = ConsentLedger()
        self.next_id = 1000
        for tag, title, kind in (("FNAME", "First Name", "text"), ("LNAME", "Last Name", "text"),
                                 ("ADDRESS", "Address", "address"), ("PHONE", "Phone Number", "phone")):  # fmt: skip
            self.add_field(tag, title, kind)

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def add_field(self, tag: str, title: str, kind: Any, **values: Any) -> MergeField:
        number = max((field.merge_id for field in self.fields.values()), default=0) + 1
        field = MergeField(merge_id=number, tag=tag, name=title, type=kind, display_order=number + 1, **values)
        self.fields[tag] = field
        return field

    def segment_named(self, name: str, now: int) -> Segment:
        """The static segment of a tag, made when there is none."""
        known = self.tag_ids.get(name)
        if known is not None:
            return self.segments[known]
        segment = Segment(self.new_id(), name, "static", now, now, set())
        self.segments[segment.id] = segment
        self.tag_ids[name] = segment.id
        return segment


class Account(msgspec.Struct):
    """An account: who may log in, and what it holds."""

    id: str
    name: str
    users: list[User]
    audiences: dict[str, Audience]
    stores: dict[str, Any]
    batches: dict[str, Any]
    batch_webhooks: dict[str, Any]


Emit = Callable[[Audience, str, "Member | None", Cause, dict[str, str]], None]
"""Tells webhooks: audience, event type, member, cause, further data."""


class MailchimpState:
    """Everything one Mailchimp server holds; `clock` gives seconds since 1970 and may be replaced."""

    def __init__(self, settings: Settings | None = None, seed: int = 1, accounts: int = 1) -> None:
        self.settings = settings or Settings()
        self.faults = Faults(seed)
        self.clock: Callable[[], float] = time.time
        self.accounts: list[Account] = []
        self.keys: dict[str, tuple[Account, User]] = {}
        self.requests: Counter[str] = Counter()
        self.counters: Counter[str] = Counter()
        self.first_write_at: float | None = None
        self.last_write_at: float | None = None
        self.next_person = 0
        self.emit: Emit | None = None  # set by the webhook desk
        for number in range(1, accounts + 1):
            self.add_account(number)

    def now(self) -> int:
        return int(self.clock())

    def add_account(self, number: int) -> Account:
        """An account with an owner, one API key and two audiences; all names follow from the number."""
        data_centre = self.settings.data_centre
        key = hashlib.md5(f"sandbox-{number}".encode(), usedforsecurity=False).hexdigest() + f"-{data_centre}"
        user = User(f"{number}01", f"owner{number}@acme.test", "owner", set())
        account = Account(f"account{number}", f"Acme {number}", [user], {}, {}, {}, {})
        for suffix, title in (("a1", "Newsletter"), ("b2", "Suppliers")):
            audience = Audience(f"{number:04d}list{suffix}", title, self.now())
            account.audiences[audience.id] = audience
        self.accounts.append(account)
        self.grant(account, user, key)
        return account

    def grant(self, account: Account, user: User, credential: str) -> None:
        """Let a key or token of a user in."""
        user.credentials.add(credential)
        self.keys[credential] = (account, user)

    def revoke(self, credential: str | None = None) -> None:
        """Shut out one credential, or all of them."""
        for key in [credential] if credential else list(self.keys):
            _, user = self.keys.pop(key)
            user.credentials.discard(key)

    def written(self, rows: int = 1) -> None:
        """Note that `rows` objects were written now."""
        now = self.clock()
        self.first_write_at = self.first_write_at or now
        self.last_write_at = now
        self.counters["rows_written"] += rows
