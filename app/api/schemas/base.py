"""What every request and answer shares: no unknown properties, bounded text, instants in UTC."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

_ZONES = frozenset(available_timezones()) - {"localtime"}  # this machine's, by no name of its own
_MOST_SECRET = 8192


class Request(BaseModel):
    """A body as it may come in; what it does not name is refused, so that a typing error never passes for a value."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, str_max_length=65_536)


class Answer(BaseModel):
    """A body as it goes out: every field is always there."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Must not hold control characters.")
    return text


def _time_zone(name: str) -> str:
    if name not in _ZONES:
        raise ValueError("Must be the name of an IANA time zone, such as Europe/Paris.")
    ZoneInfo(name)
    return name


def _uuid(value: Any) -> Any:
    """Strict models take no text for a UUID, JSON has nothing else."""
    if isinstance(value, str):
        if len(value) != 36:
            raise ValueError("Must be a UUID.")
        try:
            return UUID(value)
        except ValueError:
            raise ValueError("Must be a UUID.") from None
    if not isinstance(value, UUID):
        raise ValueError("Must be a UUID.")
    return value


def _instant(value: Any) -> Any:
    if isinstance(value, str) and len(value) <= 40:
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("Must be an instant such as 2026-01-31T08:00:00Z.") from None
        if parsed.tzinfo is None or not 1970 <= parsed.year <= 2200:
            raise ValueError("Must be an instant with a time zone, between 1970 and 2200.")
        return parsed.astimezone(UTC)
    return value


def _fits(value: Any) -> Any:
    if isinstance(value, str) and not 1 <= len(value) <= _MOST_SECRET:
        raise ValueError(f"Must have 1 to {_MOST_SECRET} characters.")
    return value


def said(sentence: str) -> WrapValidator:
    """What is said instead of the pattern to whoever writes a text otherwise. Stands last among the annotations."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            if error.errors(include_input=False)[0]["type"] != "string_pattern_mismatch":
                raise
            raise ValueError(sentence) from None

    return WrapValidator(check)


def text(most: int, *, pattern: str | None = None, least: int = 1) -> Any:
    """A text of `least` to `most` characters that can be printed."""
    return Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=least, max_length=most, pattern=pattern),
        AfterValidator(_printable),
    ]


LIST_ID = r"^[A-Za-z0-9]{1,50}$"
IS_LIST_ID = said("Must be the id of an audience: up to 50 letters and digits.")
NO_CONTROL = said("Must not hold control characters.")
IS_EMAIL = said("Must be an e-mail address.")
REASON = r"^[a-z0-9_]{1,100}$"
IS_REASON = said("Must be a reason, such as fake_address.")
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_printable),
]
TimeZone = Annotated[str, Field(max_length=64, examples=["Europe/Paris"]), AfterValidator(_time_zone)]
Id = Annotated[UUID, BeforeValidator(_uuid)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=_MOST_SECRET), BeforeValidator(_fits)]
