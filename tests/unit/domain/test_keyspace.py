"""Where spans of keys are cut, and how much of one lies behind a key."""

import random

import pytest

from app.domain.keyspace import cuts, fraction


def test_digits_are_cut_evenly() -> None:
    assert cuts("C00000", "C01000", 4) == ["C0025", "C005", "C0075"]


def test_letters_and_digits_are_cut_between_their_ends() -> None:
    inner = cuts("ACME01", "ZULU99", 4)

    assert len(inner) == 3
    assert sorted(inner) == inner
    assert all("ACME01" < key < "ZULU99" for key in inner)


@pytest.mark.parametrize(("low", "high"), [("A", "A"), ("B", "A"), ("", "")])
def test_nothing_is_cut_where_nothing_lies(low: str, high: str) -> None:
    assert cuts(low, high, 4) == []


def test_cuts_of_any_two_keys_ascend_between_them() -> None:
    dice = random.Random(7)
    for _ in range(2000):
        one, other = ("".join(dice.choices("0189AZaz-é_", k=dice.randint(0, 6))) for _ in range(2))
        low, high = sorted((one, other))
        inner = cuts(low, high, dice.randint(2, 6))
        assert all(low < key < high for key in inner)
        assert sorted(set(inner)) == inner


def test_a_fraction_grows_from_nought_to_one() -> None:
    assert fraction("C00000", "C00000", "C01000") == 0
    assert fraction("C00000", "C00250", "C01000") == pytest.approx(0.25)
    assert fraction("C00000", "C01000", "C01000") == 1


@pytest.mark.parametrize(("at", "expected"), [("A5", 0.0), ("Z", 1.0), ("B", 0.0)])
def test_a_key_outside_of_the_span_counts_as_its_nearer_end(at: str, expected: float) -> None:
    assert fraction("C0", at, "C9") == expected


def test_a_span_of_nothing_is_wholly_done() -> None:
    assert fraction("C9", "C9", "C9") == 1.0
