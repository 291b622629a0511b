"""Compiles one field of a mapping into a function of the source values."""

from collections.abc import Callable, Mapping

from app.domain.definition import FieldRule
from app.domain.errors import InvalidDefinition
from app.domain.fields import ADDRESS_PARTS
from app.domain.member import MergeValue
from app.domain.merge_values import Form, MergeType, Warnings, address, form, one_line, shorten
from app.domain.party import Value
from app.domain.streams import find_field
from app.domain.transforms import Change, compile_transforms
from app.domain.values import Unusable, as_text, cut

Values = tuple[Value, ...]
Places = Mapping[str, int]
"""Where each source field stands in the values."""

Compute = Callable[[Values, Warnings], MergeValue | None]
"""The value of a merge field; None when blank, raises Unusable when it must be left out."""

COMPOSITE = "default_address"
PLAIN = 63
"""Characters that fit 255 bytes whatever they are: four bytes each at most."""
MOST_KNOWN = 500


def needed(source: str) -> tuple[str, ...]:
    """The fields to read for a source: the composite address is its parts."""
    return tuple(f"{COMPOSITE}.{part}" for part in ADDRESS_PARTS) if source == COMPOSITE else (source,)


def suggested_type(rule: FieldRule, stream: str) -> str:
    """The type a merge field should be created with when the audience lacks it."""
    if rule.constant is not None or rule.transforms or len(rule.sources) != 1:
        return "text"
    field = find_field(stream, rule.sources[0])
    return field.type if field is not None and field.type in ("address", "number", "date") else "text"


def compile_field(rule: FieldRule, places: Places, merge_type: MergeType, pointer: str) -> Compute:
    """The function for one field; the audience's type decides how values are written.

    Raises:
        InvalidDefinition: a constant that is no value of this type, or ADDRESS from anything but an address.
    """
    written = form(merge_type)
    if rule.constant is not None:
        return _constant(rule, merge_type, written, pointer)
    if rule.sources == (COMPOSITE,):
        return _address(rule.target, [places[name] for name in needed(COMPOSITE)], merge_type)
    if merge_type.type == "address":
        raise InvalidDefinition(
            f"{pointer}/source", f"{rule.target} is an address in this audience: its source must be {COMPOSITE}."
        )
    change = compile_transforms(rule.transforms)
    spots = [places[source] for source in rule.sources]
    if len(spots) > 1:
        return _joined(rule.target, spots, change, written)
    if written is not as_text:
        return _typed(rule.target, spots[0], change, written)
    return _text(rule.target, spots[0]) if change is None else _changed(rule.target, spots[0], change)


def plain_place(rule: FieldRule, places: Places, merge_type: MergeType) -> int:
    """Where the value stands when it is sent as it is, short printable texts without even a call; else -1."""
    is_plain = len(rule.sources) == 1 and rule.sources[0] != COMPOSITE and compile_transforms(rule.transforms) is None
    return places[rule.sources[0]] if is_plain and form(merge_type) is as_text else -1


def _text(target: str, spot: int) -> Compute:
    def compute(values: Values, warnings: Warnings) -> MergeValue | None:
        text = as_text(values[spot])
        return None if text is None else shorten(text, target, warnings)

    return compute


def _changed(target: str, spot: int, change: Change) -> Compute:
    """Transforms are pure and many fields hold few values (countries, categories), so short texts are remembered."""
    known: dict[Value, MergeValue | None] = {}

    def compute(values: Values, warnings: Warnings) -> MergeValue | None:
        value = values[spot]
        if value in known and value.__class__ is str:
            return known[value]
        text = change(value.strip() if value.__class__ is str and value.isprintable() else as_text(value))
        if text.__class__ is not str:
            return None
        if len(text) > PLAIN:
            return shorten(text.strip(), target, warnings)
        made = text.strip()
        if len(known) < MOST_KNOWN and value.__class__ is str:
            known[value] = made
        return made

    return compute


def _typed(target: str, spot: int, change: Change | None, written: Form) -> Compute:
    def compute(values: Values, warnings: Warnings) -> MergeValue | None:
        value = values[spot]
        value = written(value if change is None else change(as_text(value)))  # type: ignore[assignment]  # a merge value
        return shorten(value, target, warnings) if value.__class__ is str else value

    return compute


def _joined(target: str, spots: list[int], change: Change | None, written: Form) -> Compute:
    def compute(values: Values, warnings: Warnings) -> MergeValue | None:
        text: Value = " ".join(filter(None, [as_text(values[spot]) for spot in spots]))
        value = written(text if change is None else change(text))
        return shorten(value, target, warnings) if isinstance(value, str) else value

    return compute


def _address(target: str, spots: list[int], merge_type: MergeType) -> Compute:
    def whole(values: Values, warnings: Warnings) -> MergeValue | None:
        return address(tuple(as_text(values[spot]) for spot in spots))

    def line(values: Values, warnings: Warnings) -> MergeValue | None:
        text = one_line(tuple(as_text(values[spot]) for spot in spots))
        return None if text is None else shorten(text, target, warnings)

    return whole if merge_type.type == "address" else line


def _constant(rule: FieldRule, merge_type: MergeType, written: Form, pointer: str) -> Compute:
    if merge_type.type == "address":
        raise InvalidDefinition(f"{pointer}/constant", f"{rule.target} is an address in this audience.")
    try:
        value = (
            rule.constant if isinstance(rule.constant, int | float) and written is as_text else written(rule.constant)
        )
    except Unusable as error:
        raise InvalidDefinition(f"{pointer}/constant", f"Cannot be a {merge_type.type} value: {error}.") from None
    constant = cut(value) if isinstance(value, str) else value
    return lambda values, warnings: constant
