"""What the demo claims: a number worked out from Sage X3's own export, and the same number counted afterwards."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple


class Claim(NamedTuple):
    """True when `found` equals `expected`. Sets are shown by their size, and compared member by member."""

    act: str
    text: str
    expected: Any
    found: Any

    @property
    def holds(self) -> bool:
        return bool(self.expected == self.found)

    @property
    def difference(self) -> str:
        """One sentence on a claim that is false."""
        what = f"{self.act}, {self.text}"
        if isinstance(self.expected, AbstractSet) and isinstance(self.found, AbstractSet):
            missing, surplus = self.expected - self.found, self.found - self.expected
            return f"{what}: {len(missing)} missing{_some(missing)}, {len(surplus)} too many{_some(surplus)}."
        return f"{what}: expected {shown(self.expected)}, found {shown(self.found)}."


def verdict(claims: Sequence[Claim]) -> str | None:
    """Sentences on everything that is false, or None when all of it is true. No claims at all prove nothing."""
    if not claims:
        return "Nothing was claimed, so nothing is proven."
    false = [claim for claim in claims if not claim.holds]
    if not false:
        return None
    head = f"{len(false)} of {len(claims)} claims {'is' if len(false) == 1 else 'are'} false."
    return "\n".join([head, *(f"  {claim.difference}" for claim in false)])


def shown(value: Any) -> str:
    """A value as the table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, AbstractSet):
        return f"{len(value):,}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _some(values: AbstractSet[Any]) -> str:
    some = sorted(map(str, values))[:3]
    return f" ({', '.join(some)}{', …' if len(values) > 3 else ''})" if some else ""
