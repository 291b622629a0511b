"""A mapping as checked, frozen structures; `document()` gives back the JSON with the defaults filled in."""

from typing import Any, Literal

import msgspec

from app.domain.filters import Filter
from app.domain.transforms import Transform

EmailMode = Literal["per_party", "per_contact"]
WhenBlank = Literal["clear", "keep", "fill"]


class EmailRule(msgspec.Struct, frozen=True):
    """Where addresses are looked for, in order of preference, and whom they make a member of."""

    sources: tuple[str, ...]
    mode: EmailMode = "per_party"


class FieldRule(msgspec.Struct, frozen=True):
    """One merge field: `constant`, or one or several sources (joined by a blank) put through the transforms."""

    target: str
    sources: tuple[str, ...] = ()
    constant: str | int | float | None = None
    transforms: tuple[Transform, ...] = ()
    when_blank: WhenBlank = "keep"

    def document(self) -> dict[str, Any]:
        if self.constant is not None:
            return {"target": self.target, "constant": self.constant, "when_blank": self.when_blank}
        return {
            "target": self.target,
            "source": self.sources[0] if len(self.sources) == 1 else list(self.sources),
            "transforms": [transform.document() for transform in self.transforms],
            "when_blank": self.when_blank,
        }


class TagRule(msgspec.Struct, frozen=True):
    """A tag that is on for everybody, or on and off by a condition."""

    name: str
    when: Filter | None = None

    def document(self) -> dict[str, Any]:
        return {"name": self.name} if self.when is None else {"name": self.name, "when": self.when.document}


class MappingDefinition(msgspec.Struct, frozen=True):
    """A tenant's rules from X3 fields to a member. `language` names the source field, None when it is not mapped."""

    stream: str
    email: EmailRule
    fields: tuple[FieldRule, ...]
    tags: tuple[TagRule, ...]
    language: str | None

    def document(self) -> dict[str, Any]:
        """JSON that parses to this very definition."""
        return {
            "stream": self.stream,
            "email": {"sources": list(self.email.sources), "mode": self.email.mode},
            "fields": [rule.document() for rule in self.fields],
            "tags": [tag.document() for tag in self.tags],
            "language": self.language,
        }
