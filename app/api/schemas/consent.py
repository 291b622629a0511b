"""The consent ledger and erasures as they travel."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, StringConstraints

from app.api.schemas.base import IS_EMAIL, Answer, Request


class ConsentPublic(Answer):
    """A status that was seen or set. `before` is what we knew until then, `said_at` when Mailchimp says it happened;
    `audience_id` is null for transactional mail."""

    at: datetime
    audience_id: str | None
    status: str
    before: str | None
    cause: str
    said_at: datetime | None
    run_id: UUID | None
    webhook_event_id: UUID | None


class ErasureCreate(Request):
    """Whose data are to be erased, everywhere."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "ada@acme.test"}]})

    email: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, max_length=320, pattern=r"^[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+$"
        ),
        IS_EMAIL,
    ]


class ErasureStep(Answer):
    """One place the person is removed from. `erased` counts what was found there."""

    name: Literal["suppression", "stores", "audiences", "local"]
    state: Literal["waiting", "done"]
    erased: int


class ErasurePublic(Answer):
    """`state`: queued, erasing, waiting (a vendor cannot be reached; `reason` says why, it is tried again), settling (a
    second pass follows for what was on its way), done. The address itself is not answered."""

    id: UUID
    state: Literal["queued", "erasing", "waiting", "settling", "done"]
    reason: str | None
    steps: list[ErasureStep]
    attempt: int
    requested_at: datetime
    finished_at: datetime | None
