"""Many values as one parameter, whatever is in them."""

import pytest

from app.db.columns import SEPARATOR, blobs, texts


def test_texts_are_joined_and_nothing_is_blank() -> None:
    assert texts(["a", None, "", "b"]) == f"a{SEPARATOR}{SEPARATOR}{SEPARATOR}b"


def test_a_separator_inside_a_value_shifts_nothing() -> None:
    joined = texts(["a", f"b{SEPARATOR}c", "d"])

    assert joined.split(SEPARATOR) == ["a", "b\ufffdc", "d"]


def test_blobs_are_joined_and_nothing_is_zeros() -> None:
    assert blobs([b"\x01" * 4, None], 4) == b"\x01\x01\x01\x01\x00\x00\x00\x00"


def test_a_blob_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="4 bytes"):
        blobs([b"\x01\x02"], 4)
