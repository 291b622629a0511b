"""The parts of Mailchimp's answers that are read; everything else is skipped while decoding."""

from typing import Any

import msgspec


class NewRow(msgspec.Struct, gc=False):
    """A member in the answer of the bulk call."""

    email_address: str = ""
    status: str = ""
    id: str = ""


class ErrorRow(msgspec.Struct, gc=False):
    """A refused row in the answer of the bulk call; `field` is set for merge fields only."""

    email_address: str | None = None
    error: str | None = None
    error_code: str | None = None
    field: str | None = None
    field_message: str | None = None


class BulkAnswer(msgspec.Struct):
    """`POST /lists/{list_id}`; 200 even when every row failed."""

    new_members: list[NewRow]
    updated_members: list[NewRow] = []
    errors: list[ErrorRow] = []


class TagName(msgspec.Struct, gc=False):
    """A tag of a member."""

    name: str = ""


class MemberRow(msgspec.Struct, gc=False):
    """One member; `tags` holds at most 50 of `tags_count`."""

    email_address: str = ""
    status: str = ""
    id: str = ""
    last_changed: str | None = None
    merge_fields: dict[str, Any] = {}
    tags: list[TagName] = []
    tags_count: int = 0


class MembersPage(msgspec.Struct):
    """`GET /lists/{list_id}/members`."""

    members: list[MemberRow]
    total_items: int = 0


class TagsPage(msgspec.Struct):
    """`GET .../members/{subscriber_hash}/tags`."""

    tags: list[TagName]
    total_items: int = 0


class Segment(msgspec.Struct, gc=False):
    """A static segment is a tag."""

    id: int
    name: str = ""


class SegmentsPage(msgspec.Struct):
    """`GET /lists/{list_id}/segments`."""

    segments: list[Segment]
    total_items: int = 0


class SegmentAnswer(msgspec.Struct):
    """`POST /lists/{list_id}/segments/{segment_id}`; addresses not on the list are errors that do not matter."""

    error_count: int = 0


class MergeOptions(msgspec.Struct, frozen=True):
    """What a merge field of a given type allows."""

    choices: tuple[str, ...] = ()
    date_format: str | None = None
    phone_format: str | None = None
    default_country: Any = None
    size: Any = None


class MergeField(msgspec.Struct, frozen=True):
    """A merge field as the audience defines it."""

    tag: str
    name: str
    type: str
    required: bool = False
    merge_id: int = 0
    default_value: Any = None
    public: bool = True
    options: MergeOptions = MergeOptions()


class MergeFieldsPage(msgspec.Struct):
    """`GET /lists/{list_id}/merge-fields`."""

    merge_fields: list[MergeField]
    total_items: int = 0


class AudienceStats(msgspec.Struct, frozen=True):
    """How many members an audience has."""

    member_count: int = 0
    unsubscribe_count: int = 0
    cleaned_count: int = 0


class Audience(msgspec.Struct, frozen=True):
    """A list of the account."""

    id: str
    name: str = ""
    double_optin: bool = False
    stats: AudienceStats = AudienceStats()


class AudiencesPage(msgspec.Struct):
    """`GET /lists`."""

    lists: list[Audience]
    total_items: int = 0


class Store(msgspec.Struct, frozen=True):
    """An e-commerce store; `list_id` is the audience its customers land in."""

    id: str
    list_id: str = ""
    name: str = ""
    currency_code: str = ""
    is_syncing: bool = False


class StoresPage(msgspec.Struct):
    """`GET /ecommerce/stores`."""

    stores: list[Store]
    total_items: int = 0


class Account(msgspec.Struct, frozen=True):
    """`GET /`: whose key this is and what it may do."""

    account_id: str
    account_name: str = ""
    login_id: str = ""
    role: str = ""
    pricing_plan_type: str | None = None
    total_subscribers: int | None = None


class Health(msgspec.Struct, frozen=True):
    """`GET /ping`."""

    health_status: str


class Metadata(msgspec.Struct, frozen=True):
    """What the login server tells of an OAuth token."""

    dc: str
    accountname: str = ""
    role: str = ""
    api_endpoint: str = ""
