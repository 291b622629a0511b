"""Answers of every odd kind: a row that cannot be read costs nobody else, anything worse is a typed error."""

import msgspec
import pytest

from app.connectors.sage_x3.documents import PageDocument, failed_query, read_data
from app.connectors.sage_x3.failures import QueryFailed
from app.connectors.sage_x3.reader import _unreadable
from app.connectors.sage_x3.structs import Scalar
from app.domain.errors import ProtocolMismatch, Transient

ROW = msgspec.defstruct("Row", [("key", Scalar, None), ("name", Scalar, None)], rename={"key": "_id"})
DOCUMENT = PageDocument("query", "root", "node", ROW)


def answer(first: bytes) -> bytes:
    edges = b'[{"node":{"_id":"A","name":' + first + b'}},{"node":{"_id":"B","name":"b"}},{"node":null},null]'
    return b'{"data":{"root":{"node":{"query":{"edges":' + edges + b',"pageInfo":{"hasNextPage":false}}}}}}'


@pytest.mark.parametrize("odd", [b'"\xff\xfe"', b"9" * 5000, b"1e999", b'{"code":"x"}', b'["x"]'])
def test_a_row_that_cannot_be_read_is_refused_by_its_key_and_its_neighbours_come(odd: bytes) -> None:
    rows = DOCUMENT.read(answer(odd))

    assert [row.key for row in rows.nodes] == ["B"]
    assert [_unreadable(raw).code for raw in rows.unreadable] == ["A"]


@pytest.mark.parametrize("good", [b'"a"', b"null", b"true", b"12", b'"12.50"', b'"\\u0000"', b'"\\ud83d\\ude00"'])
def test_scalars_of_any_kind_are_taken(good: bytes) -> None:
    assert [row.key for row in DOCUMENT.read(answer(good)).nodes] == ["A", "B"]


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    rows = DOCUMENT.read(answer(b'"x\\ud83dy \\\\ud83d \\ud83d\\ude00"'))

    assert rows.nodes[0].name == "x\ufffdy \\ud83d \U0001f600"


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":', b'{"x":' + b"[" * 100_000, b"NaN", b"\xff"])
def test_what_is_no_json_is_transient(body: bytes) -> None:
    with pytest.raises(Transient):
        DOCUMENT.read(body)
    with pytest.raises(Transient):
        read_data(body)
    assert failed_query(body) is None


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"data":null}', b'{"data":{"root":null}}', b'{"data":{"root":{"node":{"query":{}}}}}', b"[]", b'"x"'],
)
def test_json_without_the_data_asked_for_is_a_mismatch(body: bytes) -> None:
    with pytest.raises(ProtocolMismatch):
        DOCUMENT.read(body)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Unauthorized: entityType: businessPartner, customer: GB013, code: ADDR1", "rows"),
        ("Unauthorized", "rights"),
        ("You have no permission to read this", "rights"),
        ("Query execution timeout", "volume"),
        ("The result exceeds the maximum size", "volume"),
        ('Cannot query field "colour" on type "Customer".', "unknown_field"),
        ('Field "defaultContact" must not have a selection since type "String" has no subfields.', "unknown_field"),
        ("System error", "other"),
        ("", "other"),
    ],
)
def test_errors_are_told_apart_by_what_they_say(message: str, kind: str) -> None:
    body = msgspec.json.encode({"data": None, "errors": [{"message": message, "extensions": {"code": 1}}]})

    with pytest.raises(QueryFailed) as raised:
        DOCUMENT.read(body)

    assert raised.value.kind == kind
    assert raised.value.codes == (("GB013",) if kind == "rows" else ())


def test_one_other_error_beside_refused_rows_makes_it_more_than_refused_rows() -> None:
    errors = [{"message": "Unauthorized: entityType: x, customer: A"}, {"message": "System error"}]

    with pytest.raises(QueryFailed) as raised:
        DOCUMENT.read(msgspec.json.encode({"errors": errors}))

    assert raised.value.kind != "rows"
