"""The notation of columns, and what settings.rest may hold."""

from typing import Any

import pytest

from app.connectors.sage_x3.rest.columns import resolve
from app.connectors.sage_x3.rest.paths import every, first, parse_path
from app.connectors.sage_x3.settings import read_settings
from app.domain.errors import NeedsTenant

RECORD: dict[str, Any] = {
    "CTY": "LYON",
    "WEB1": " ",
    "WEB2": "b@acme.test",
    "BPAADDLIG": ["1 rue A", " ", "Bât. B"],
    "INVTYP": 2,
    "ADRTAB": [
        {"BPAADD": "DEPOT", "BPAADDFLG": 1, "CTY": "NICE", "WEB": ["d@acme.test"]},
        {"BPAADD": "MAIN", "BPAADDFLG": 2, "CTY": "LYON", "WEB": ["m@acme.test", " "]},
    ],
}


@pytest.mark.parametrize(
    ("path", "values", "value"),
    [
        ("CTY", ["LYON"], "LYON"),
        ("NONE", [], None),
        ("WEB1,WEB2", [" ", "b@acme.test"], "b@acme.test"),
        ("BPAADDLIG[3]", ["Bât. B"], "Bât. B"),
        ("BPAADDLIG[4]", [], None),
        ("BPAADDLIG", ["1 rue A", " ", "Bât. B"], "1 rue A"),
        ("ADRTAB[].WEB[]", ["d@acme.test", "m@acme.test", " "], "d@acme.test"),
        ("ADRTAB[BPAADDFLG=2].CTY", ["LYON"], "LYON"),
        ("ADRTAB[BPAADDFLG=3].CTY", [], None),
        ("ADRTAB[2].WEB[1]", ["m@acme.test"], "m@acme.test"),
        ("INVTYP{1=invoice,2=creditMemo}", ["creditMemo"], "creditMemo"),
        ("INVTYP{1=invoice}", [2], 2),
        ("CTY.DEEPER", [], None),
        ("ADRTAB", [], None),
    ],
)
def test_a_path_finds_its_values(path: str, values: list[Any], value: Any) -> None:
    assert every(parse_path(path))(RECORD) == values
    assert first(parse_path(path))(RECORD) == value


@pytest.mark.parametrize("path", ["", "A B", "A[0]", "A[", "A..B", "A,,B", "A{1}", "A{=x}", "{1=a}", "1A"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(NeedsTenant, match=r"settings\.rest"):
        parse_path(path)


def test_columns_that_are_not_shown_are_missing_and_other_candidates_take_their_place() -> None:
    paths, missing = resolve("customers", {"custom.x": "YX", "custom.y": "YY"}, {"BPCNUM", "WEB", "RCRY", "YX"})

    assert paths["default_address.emails"] == parse_path("WEB[]")
    assert paths["country"] == parse_path("RCRY")
    assert paths["custom.x"] == parse_path("YX")
    assert {"custom.y", "name", "category"} <= set(missing)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"orders": {}}, "names 'orders'"),
        ({"customers": {"class": "../AUSER"}}, "class must be a plain name"),
        ({"customers": {"representation": "BPCUSTOMER.$edit"}}, "representation must be a plain name"),
        ({"customers": {"paths": {"name": "A B"}}}, "is not a path"),
        ({"customers": {"delta_where": "UPDDATTIM ge @2026-01-01@"}}, "must hold {since}"),
        ({"customers": {"details_per_row": "maybe"}}, "not valid"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_a_sentence(rest: Any, message: str) -> None:
    with pytest.raises(NeedsTenant) as refused:
        read_settings({"endpoint": "SEED", "rest": rest})
    assert message in refused.value.message


def test_nulls_are_defaults() -> None:
    given = {"class": None, "representation": None, "delta_where": None, "details_per_row": None}

    assert read_settings({"rest": {"customers": given}}).rest["customers"].class_ is None
