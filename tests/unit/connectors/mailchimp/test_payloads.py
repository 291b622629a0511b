import json

import pytest

from app.connectors.mailchimp import payloads
from tests.unit.connectors.mailchimp.scripted import a_row


def inside(fragment: bytes) -> dict[str, object]:
    made: dict[str, object] = json.loads(b"{" + fragment + b"}")
    return made


def test_equal_members_give_equal_bytes_whatever_their_order() -> None:
    one = payloads.encode_fragment({"FNAME": "Ada", "ADDRESS": {"zip": "1", "addr1": "2"}}, "fr")
    other = payloads.encode_fragment({"ADDRESS": {"addr1": "2", "zip": "1"}, "FNAME": "Ada"}, "fr")
    assert one == other == b'"merge_fields":{"ADDRESS":{"addr1":"2","zip":"1"},"FNAME":"Ada"},"language":"fr"'


@pytest.mark.parametrize("language", [None, "fr"])
@pytest.mark.parametrize("fields", [{}, {"FNAME": 'Ð "quoted" \\ 漢字'}])
def test_every_fragment_fits_every_body(fields: dict[str, str], language: str | None) -> None:
    fragment = payloads.encode_fragment(dict(fields), language)
    expected = {**({"merge_fields": fields} if fields else {}), **({"language": language} if language else {})}

    assert inside(fragment) == expected
    assert json.loads(payloads.patch_body(fragment)) == expected
    assert json.loads(payloads.patch_body(fragment, "n@x.test")) == {"email_address": "n@x.test", **expected}
    row = {"email_address": "a@x.test", "status": "pending", **expected}
    assert json.loads(payloads.bulk_body([a_row("a@x.test", fragment)], "pending"))["members"] == [row]
    put = json.loads(payloads.put_body("a@x.test", "pending", fragment))
    assert put == {"email_address": "a@x.test", "status_if_new": "pending", **expected}


def test_the_bulk_body_never_updates_and_carries_tags() -> None:
    body = json.loads(payloads.bulk_body([a_row("a@x.test", tags=("x3", "b"))], "subscribed"))
    assert (body["update_existing"], body["sync_tags"]) == (False, False)
    assert body["members"][0]["tags"] == ["x3", "b"]


def test_nobody_is_brought_back_as_subscribed() -> None:
    with pytest.raises(ValueError, match="never"):
        payloads.put_body("a@x.test", "subscribed", b"")


def test_fields_can_be_taken_out_and_filled_in() -> None:
    fragment = payloads.encode_fragment({"FNAME": "Ada", "BAD": "x"}, "fr")
    assert inside(payloads.without_fields(fragment, ["BAD"])) == {"merge_fields": {"FNAME": "Ada"}, "language": "fr"}
    assert inside(payloads.without_fields(fragment, ["BAD", "FNAME"])) == {"language": "fr"}
    filled = inside(payloads.with_fields(fragment, {"FNAME": "other", "CITY": "Lyon"}))
    assert filled["merge_fields"] == {"FNAME": "Ada", "BAD": "x", "CITY": "Lyon"}
    assert inside(payloads.with_fields(b"", {"CITY": "Lyon"})) == {"merge_fields": {"CITY": "Lyon"}}


def test_an_empty_side_of_a_segment_call_is_left_out() -> None:
    assert json.loads(payloads.segment_body(["a@x.test"], [])) == {"members_to_add": ["a@x.test"]}
