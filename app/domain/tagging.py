"""Which of the mapping's tags are on and which are off for a party."""

from collections.abc import Callable, Sequence

from app.domain.definition import TagRule
from app.domain.errors import InvalidDefinition
from app.domain.filters import Predicate, compile_filter
from app.domain.inactive import InactivePolicy
from app.domain.merge_rules import Places, Values

OnOff = tuple[tuple[str, ...], tuple[str, ...]]
Tagger = Callable[[Values, bool], OnOff]
"""Tags on and tags off, both sorted, from the source values and whether the party is active."""


def compile_tags(rules: Sequence[TagRule], inactive: InactivePolicy, places: Places) -> Tagger:
    """Tags without a condition are always on; the policy's tag is on for inactive parties and off for active ones.

    Raises:
        InvalidDefinition: the policy's tag is one of the mapping's.
    """
    if any(inactive.tag.casefold() == rule.name.casefold() for rule in rules):
        raise InvalidDefinition("/inactive/tag", "The mapping uses this tag for something else.")
    conditional = [(rule.name, compile_filter(rule.when, places)) for rule in rules if rule.when is not None]
    always = [rule.name for rule in rules if rule.when is None]
    flag = [inactive.tag] if inactive.action == "tag" else []
    if conditional:
        return _conditional(always, conditional, flag)
    active = (tuple(sorted(always)), tuple(flag))
    gone = (tuple(sorted(always + flag)), ())
    return lambda _, is_active: active if is_active else gone


def _conditional(always: list[str], conditional: list[tuple[str, Predicate]], flag: list[str]) -> Tagger:
    """Outcomes are few, so each combination is put together once and remembered."""
    predicates = tuple(is_on for _, is_on in conditional)
    names = [name for name, _ in conditional]
    seen: dict[tuple[bool, ...], OnOff] = {}

    def tags(values: Values, is_active: bool) -> OnOff:
        case = (is_active, *[is_on(values) for is_on in predicates])
        known = seen.get(case)
        if known is None:
            known = _sorted(always, [*zip(names, case[1:], strict=True), *((name, not is_active) for name in flag)])
            if len(seen) < 1000:
                seen[case] = known
        return known

    return tags


def _sorted(always: list[str], decided: list[tuple[str, bool]]) -> OnOff:
    on = [name for name, is_on in decided if is_on]
    return tuple(sorted(always + on)), tuple(sorted(name for name, is_on in decided if not is_on))
