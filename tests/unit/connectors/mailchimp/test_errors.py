import msgspec
import pytest

from app.connectors.mailchimp.errors import SENTENCES, Problem, read_problem, redacted, refusal, row_error

TEXTS = [
    (
        "compliance",
        "Member In Compliance State",
        "a@x.test is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed.",
    ),
    (
        "forgotten",
        "Forgotten Email Not Subscribed",
        "a@x.test was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the "
        "list.",
    ),
    ("fake_address", "Invalid Resource", "a@x.test looks fake or invalid, please enter a real email address."),
    (
        "too_many_signups",
        "Invalid Resource",
        "a@x.test has signed up to a lot of lists very recently; we're not allowing more signups for now",
    ),
    ("merge_field", "Invalid Resource", "Your merge fields were invalid."),
    ("role_address", "Invalid Resource", "info@x.test is a role-based address and cannot be subscribed."),
    ("invalid_address", "Invalid Resource", "Please provide a valid email address."),
    ("invalid_address", "Invalid Resource", "The domain portion of the email address is invalid"),
    ("address_taken", "Invalid Resource", '"new@x.test" is already in this list with a status of "Archived".'),
    (
        "member_exists",
        "Member Exists",
        "a@x.test is already a list member. Use PUT to insert or update list members.",
    ),
    ("address_fixed", "Bad Request", "The email address of a customer can not be changed."),
    ("product_missing", "Bad Request", "A product with the provided ID does not exist in the account for this list."),
    ("product_missing", "Bad Request", "A product with the provided variant ID does not exist in the account."),
    ("invalid_address", "Customer Was Not Saved", "a@x.test is an invalid email address and cannot be imported."),
    ("rejected", "Bad Request", "The moon is in the wrong house."),
]


@pytest.mark.parametrize(("reason", "title", "detail"), TEXTS)
def test_a_problem_document_gets_its_reason(reason: str, title: str, detail: str) -> None:
    refused = refusal(Problem(title, detail))
    assert refused.code == reason
    assert "x.test" not in f"{refused.message} {refused.detail}"


@pytest.mark.parametrize(("reason", "title", "detail"), TEXTS)
def test_a_row_of_a_bulk_answer_gets_the_same_reason(reason: str, title: str, detail: str) -> None:
    text = detail if reason != "member_exists" else f"{title} {detail}"
    error = row_error(text, None, None)
    assert error.reason == reason
    assert "x.test" not in error.message


def test_a_merge_field_is_named_with_what_mailchimp_says_of_it() -> None:
    error = row_error("Invalid value", "RADIO", "Please choose an option")
    assert (error.reason, error.field) == ("merge_field", "RADIO")
    assert "Please choose an option" in error.message


def test_an_incomplete_address_is_told_from_other_fields() -> None:
    faults = [{"field": "ADDRESS", "message": "Please enter a complete address"}]
    refused = refusal(Problem("Invalid Resource", "Your merge fields were invalid.", "", faults))
    assert (refused.code, refused.field) == ("incomplete_address", "ADDRESS")
    assert refused.faults == (("ADDRESS", "Please enter a complete address"),)


def test_a_fault_of_the_address_itself_names_no_merge_field() -> None:
    faults = [{"field": "email_address", "message": "This value is not a valid email."}]
    refused = refusal(Problem("Invalid Resource", "The resource submitted could not be validated.", "", faults))
    assert (refused.code, refused.field) == ("invalid_address", None)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"title": None, "status": "400", "detail": 5, "instance": "", "errors": {}},
        {"errors": [None, "x", {"field": None, "message": ["a"]}]},
        {"title": "T", "errors": None, "more": {"deep": []}},
    ],
)
def test_a_document_with_parts_missing_or_mixed_up_is_still_a_refusal(document: dict[str, object]) -> None:
    read = read_problem(msgspec.json.encode(document))
    assert read is not None
    assert refusal(read).code == "rejected"


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'"x"', b'{"title":', b"\xff\xfe"])
def test_what_is_no_json_object_is_no_problem_document(content: bytes) -> None:
    assert read_problem(content) is None


def test_every_reason_has_a_sentence() -> None:
    assert {reason for reason, _, _ in TEXTS} <= SENTENCES.keys()


def test_a_vendor_text_is_cut_and_loses_its_addresses() -> None:
    assert redacted("<a.b+c@x.test>, 'd@y.test'") == "<<address>>, '<address>'"
    assert len(redacted("x" * 1000)) == 300
