"""The named transforms of a mapping: their catalogue, how they are written, and what they compile to."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec

from app.domain.countries import country_name
from app.domain.party import Value
from app.domain.rewrites import DATE_FORMATS, format_date, phone, title
from app.domain.shape import Node
from app.domain.values import TEXT_BYTES, Unusable, as_text

Rewrite = Callable[[str], str | None]
Change = Callable[[Value], Value]
ArgumentType = Literal["text", "integer", "choice", "texts"]


class Argument(msgspec.Struct, frozen=True):
    """`texts` is an object of strings; `choices` belong to type `choice`, `least` and `most` to `integer`."""

    name: str
    type: ArgumentType
    description: str
    required: bool = True
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = TEXT_BYTES


class TransformSpec(msgspec.Struct, frozen=True):
    """One entry of the catalogue. `takes_blank`: it is asked about blank values too."""

    name: str
    description: str
    make: Callable[[Mapping[str, Any]], Rewrite]
    arguments: tuple[Argument, ...] = ()
    takes_blank: bool = False


class Transform(msgspec.Struct, frozen=True):
    """A transform as a mapping names it, arguments checked."""

    name: str
    arguments: dict[str, Any] = {}

    def document(self) -> str | dict[str, Any]:
        return {"name": self.name, **self.arguments} if self.arguments else self.name


def _country(text: str) -> str:
    name = country_name(text)
    if name is None:
        raise Unusable("unknown country code")
    return name


def _looked_up(values: Mapping[str, str], default: str | None, text: str) -> str | None:
    return values.get(text, text if default is None else default)


def _text(name: str, description: str, *, required: bool = True) -> Argument:
    return Argument(name, "text", description, required)


_CATALOGUE = (
    TransformSpec("trim", "Removes blanks at both ends.", lambda _: str.strip),
    TransformSpec("upper", "Capitals.", lambda _: str.upper),
    TransformSpec("lower", "Small letters.", lambda _: str.lower),
    TransformSpec(
        "title", "Capitals at the start of words when the whole text is in capitals, as X3 stores it.", lambda _: title
    ),
    TransformSpec(
        "truncate",
        "At most `length` characters.",
        lambda given: lambda text: text[: given["length"]].rstrip(),
        (Argument("length", "integer", "Most characters to keep", least=1),),
    ),
    TransformSpec("country", "English country name of an X3 or ISO country code.", lambda _: _country),
    TransformSpec("phone", "Digits only, with a leading + when international.", lambda _: phone),
    TransformSpec(
        "date",
        "A date or instant in another format.",
        lambda given: partial(format_date, pattern=given["format"]),
        (Argument("format", "choice", "How the date is written", choices=tuple(DATE_FORMATS)),),
    ),
    TransformSpec(
        "replace",
        "Replaces every `from` by `to`.",
        lambda given: lambda text: text.replace(given["from"], given["to"]),
        (_text("from", "Text to look for"), _text("to", "Text to put in its place; may be empty")),
    ),
    TransformSpec(
        "map",
        "Looks the value up. A value that is not listed becomes `default`, or stays when there is none.",
        lambda given: partial(_looked_up, given["values"], given.get("default")),
        (
            Argument("values", "texts", "New text for each value"),
            _text("default", "For values that are not listed", required=False),
        ),
    ),
    TransformSpec(
        "default",
        "Stands in for a blank value.",
        lambda given: lambda text: text or given["value"],
        (_text("value", "The text to use"),),
        takes_blank=True,
    ),
    TransformSpec(
        "prefix",
        "Puts `text` before a value that is not blank.",
        lambda given: lambda text: given["text"] + text,
        (_text("text", "What comes before"),),
    ),
    TransformSpec(
        "suffix",
        "Puts `text` after a value that is not blank.",
        lambda given: lambda text: text + given["text"],
        (_text("text", "What comes after"),),
    ),
)

TRANSFORMS: dict[str, TransformSpec] = {spec.name: spec for spec in _CATALOGUE}


def describe_transforms() -> list[dict[str, Any]]:
    """The catalogue as `GET /v1/streams` shows it: name, description, arguments."""
    return [
        {
            "name": spec.name,
            "description": spec.description,
            "arguments": [_describe(argument) for argument in spec.arguments],
        }
        for spec in _CATALOGUE
    ]


def _describe(argument: Argument) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": argument.name,
        "type": argument.type,
        "required": argument.required,
        "description": argument.description,
    }
    if argument.type == "choice":
        shown["choices"] = list(argument.choices)
    if argument.type == "integer":
        shown |= {"least": argument.least, "most": argument.most}
    return shown


def parse_transform(node: Node) -> Transform:
    """A name, or an object with a name and arguments.

    Raises:
        InvalidDefinition: unknown transform or argument, missing argument, wrong type.
    """
    named = Node(node.value.get("name"), node.child("name")) if isinstance(node.value, dict) else node
    spec = TRANSFORMS[named.choice(TRANSFORMS)]
    if named is node:
        node = Node({"name": spec.name}, node.pointer)
    given = node.object(
        ("name", *(argument.name for argument in spec.arguments)),
        tuple(argument.name for argument in spec.arguments if argument.required),
    )
    present = [argument for argument in spec.arguments if argument.required or given.get(argument.name) is not None]
    return Transform(spec.name, {argument.name: _argument(node.get(argument.name), argument) for argument in present})


def _argument(node: Node, argument: Argument) -> Any:
    match argument.type:
        case "integer":
            return node.integer(argument.least, argument.most)
        case "choice":
            return node.choice(argument.choices)
        case "texts":
            return _texts(node)
        case _:
            return node.text(TEXT_BYTES, least=0 if argument.name in ("to", "default") else 1)


def _texts(node: Node) -> dict[str, str]:
    if not isinstance(node.value, dict) or not 1 <= len(node.value) <= 500:
        raise node.fail("Must be an object of 1 to 500 strings.")
    for key in node.value:
        Node(key, node.child("")).text(TEXT_BYTES)
    return {key: node.get(key).text(TEXT_BYTES, least=0) for key in node.value}


def compile_transforms(transforms: Sequence[Transform]) -> Change | None:
    """One function for the whole chain, None for an empty one. Source values are trimmed already, so a leading
    `trim` costs nothing. The function raises Unusable for a value that cannot be transformed."""
    rest = transforms[1:] if transforms and transforms[0].name == "trim" else transforms
    steps = tuple((TRANSFORMS[step.name].make(step.arguments), TRANSFORMS[step.name].takes_blank) for step in rest)
    if len(steps) == 1 and not steps[0][1]:
        return _single(steps[0][0])
    return partial(_chain, steps) if steps else None


def _single(rewrite: Rewrite) -> Change:
    def change(value: Value) -> Value:
        text = value if value.__class__ is str else as_text(value)
        return (rewrite(text) or None) if text else None

    return change


def _chain(steps: Sequence[tuple[Rewrite, bool]], value: Value) -> Value:
    text = value if value.__class__ is str else as_text(value)
    for rewrite, takes_blank in steps:
        if text or takes_blank:
            text = rewrite(text or "")
    return text or None
