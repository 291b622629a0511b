"""Where to cut a span of keys so that several readers share it. A bad cut costs speed only, never a record."""

DIGITS = "0123456789"
LETTERED = DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def cuts(low: str, high: str, parts: int) -> list[str]:
    """Up to parts - 1 ascending keys strictly between `low` and `high`, evenly spread if keys are.

    Keys are read as numbers behind their common prefix: decimal when both are digits, else base 36.
    """
    if parts < 2 or not low < high:
        return []
    prefix = _common_prefix(low, high)
    width = max(len(low), len(high)) - len(prefix)
    alphabet = DIGITS if _digits(low[len(prefix) :]) and _digits(high[len(prefix) :]) else LETTERED
    width += 2 if alphabet is LETTERED else 1
    first, last = (_number(key[len(prefix) :], width, alphabet) for key in (low, high))
    found: list[str] = []
    for part in range(1, parts):
        key = prefix + _text(first + (last - first) * part // parts, width, alphabet)
        key = key.rstrip(alphabet[0]) or key
        if low < key < high and (not found or found[-1] < key):
            found.append(key)
    return found


def fraction(low: str, at: str, high: str) -> float:
    """How much of the span low..high lies at or before `at`, from 0 to 1, if keys are evenly spread; 1 when empty."""
    if not low < high:
        return 1.0
    prefix = _common_prefix(low, high)
    if not at.startswith(prefix):
        return 0.0 if at < low else 1.0
    width = max(len(low), len(at), len(high)) - len(prefix)
    digits = all(_digits(key[len(prefix) :]) for key in (low, at, high))
    first, here, last = (_number(key[len(prefix) :], width, DIGITS if digits else LETTERED) for key in (low, at, high))
    return min(max((here - first) / (last - first), 0.0), 1.0) if last > first else 1.0


def _common_prefix(one: str, other: str) -> str:
    end = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:end]


def _digits(text: str) -> bool:
    return all(letter in DIGITS for letter in text)


def _number(text: str, width: int, alphabet: str) -> int:
    value = 0
    for letter in text[:width].ljust(width, alphabet[0]):
        value = value * len(alphabet) + max(alphabet.find(letter.upper()), 0)
    return value


def _text(value: int, width: int, alphabet: str) -> str:
    letters = []
    for _ in range(width):
        value, rest = divmod(value, len(alphabet))
        letters.append(alphabet[rest])
    return "".join(reversed(letters))
