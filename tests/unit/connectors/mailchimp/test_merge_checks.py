from app.connectors.mailchimp.merge_checks import check_merge_fields, merge_types
from app.connectors.mailchimp.shapes import MergeField, MergeOptions

FIELDS = [
    MergeField("FNAME", "First name", "text"),
    MergeField("ADDRESS", "Address", "address"),
    MergeField("SIZE", "Size", "number", required=True),
    MergeField("KIND", "Kind", "dropdown", options=MergeOptions(choices=("customer", "supplier"))),
]


def test_a_fitting_mapping_has_no_findings() -> None:
    assert (
        check_merge_fields({"FNAME": "text", "ADDRESS": "address", "SIZE": "number", "KIND": "constant"}, FIELDS) == ()
    )


def test_a_missing_field_can_be_created_and_does_not_block() -> None:
    missing, required = check_merge_fields({"SINCE": "date"}, FIELDS)
    assert (missing.kind, missing.tag, missing.wanted_type, missing.blocks) == ("missing", "SINCE", "date", False)
    assert (required.kind, required.tag, required.blocks) == ("required_unmapped", "SIZE", False)


def test_a_field_of_another_type_blocks() -> None:
    findings = check_merge_fields({"ADDRESS": "text", "SIZE": "boolean"}, FIELDS)
    assert [(finding.kind, finding.tag, finding.found_type, finding.blocks) for finding in findings] == [
        ("wrong_type", "ADDRESS", "address", True),
        ("wrong_type", "SIZE", "number", True),
    ]


def test_a_tag_mailchimp_would_not_take_blocks_unless_the_audience_has_it() -> None:
    for tag in ("fname", "ELEVENCHARS", "A-B", "", "EMAIL"):
        assert check_merge_fields({tag: "text", "SIZE": "number"}, FIELDS)[0].kind == "malformed_tag"
    odd = [MergeField("OLDLONGERTAG", "Old", "text")]
    assert check_merge_fields({"OLDLONGERTAG": "text"}, odd) == ()


def test_an_address_may_be_written_into_text() -> None:
    assert check_merge_fields({"FNAME": "address", "SIZE": "number"}, FIELDS) == ()


def test_the_mapping_engine_gets_types_and_choices() -> None:
    made = merge_types(FIELDS)["KIND"]
    assert (made.type, made.choices) == ("dropdown", ("customer", "supplier"))
