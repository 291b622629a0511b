from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli.config.faults import Fault, Faulty
from app.cli.config.reading import MOST_BYTES, read_yaml
from app.cli.config.writing import write_yaml

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12) | st.sampled_from(
    [
        "NO",
        "yes",
        "12:30",
        "02:30",
        "007",
        "1e5",
        "1_000",
        "null",
        "~",
        "",
        "<<",
        "=",
        "2026-01-01",
        "0x1f",
        ".5",
        "- a",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(-1e6, 1e6, width=32) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


def faults(text: str) -> list[Fault]:
    with pytest.raises(Faulty) as caught:
        read_yaml(text.encode())
    return caught.value.faults


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_what_is_written_is_read_back_as_it_was(content: dict[str, Any]) -> None:
    assert read_yaml(write_yaml(content).encode()).content == content


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("NO", "NO"),
        ("12:30", "12:30"),
        ("02:30", "02:30"),
        ("yes", "yes"),
        ("007", "007"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("null", None),
        ("7", 7),
        ("-1.5", -1.5),
        ("'7'", "7"),
    ],
)
def test_only_plain_words_and_numbers_stand_for_themselves(scalar: str, value: object) -> None:
    found = read_yaml(f"a: {scalar}".encode()).content["a"]

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: &x [1]\n", 2, "Anchors"),
        ("a: 1\n\nb: *x\n", 3, "Anchors"),
        ("a: !!python/object:os.system [ls]\n", 1, "Tags"),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is given twice; the first time in line 1"),
        ("a:\n  <<: {b: 1}\n", 2, "Merging"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("? [1]\n: 2\n", 1, "name has to be a text"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        ("a: 1\nb: \x00\n", 2, "character"),
        ("a: " + "[" * 60 + "]" * 60, 1, "nested"),
    ],
)
def test_what_is_refused_is_refused_on_its_line(text: str, line: int, word: str) -> None:
    (fault,) = faults(text)

    assert fault.line == line
    assert word in fault.sentence


def test_a_bomb_is_refused_at_its_first_anchor() -> None:
    rows = ["a: &a [x, x, x, x, x, x, x, x, x]"] + [
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]

    assert faults("\n".join(rows))[0].line == 1


def test_a_file_without_bound_is_not_even_looked_at() -> None:
    assert "larger" in faults("#" * (MOST_BYTES + 1))[0].sentence


def test_bytes_that_are_no_text_are_refused_on_their_line() -> None:
    with pytest.raises(Faulty) as caught:
        read_yaml(b"a: 1\nb: \xff\n")

    assert caught.value.faults == [Fault(2, "The file is not UTF-8.")]


def test_every_part_knows_its_line_and_an_absent_one_that_of_its_owner() -> None:
    document = read_yaml(b"a:\n  b/c:\n    - 1\n    - d: 2\n")

    assert document.line("/a/b~1c/1/d") == 4
    assert document.line("/a/b~1c/1/missing/deeper") == 4
    assert document.line("/a/absent") == 1
    assert document.fault("/a/b~1c/1/d", "Bad.") == Fault(4, "a.b/c[1].d: Bad.")
