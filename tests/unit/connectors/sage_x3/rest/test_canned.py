"""RestSource against prepared answers, word for word: the shapes of Sage's own pages and those of odd servers."""

import re
from typing import Any

import httpx
import pytest

from app.domain.errors import NeedsTenant, ProtocolMismatch, Transient
from app.domain.party import Party, Selection
from tests.unit.connectors.sage_x3.rest.conftest import Canned, a_list

BASE = "/api1/x3/erp/SEED/BPCUSTOMER"
FIRST = f"{BASE}?representation=BPCUSTOMER.$query&orderBy=BPCNUM&count=2"
NAMES = Selection("customers", (), ("name", "category", "updated_at"))
WHOLE = {"BPCSTA": 2, "BPRFBDMAG": 1, "CNTFBDMAG": 1, "BCGCOD": "DOM", "UPDDATTIM": "2026-03-01T08:30:00Z"}


def record(code: str, name: str = "ALPHA", **more: Any) -> dict[str, Any]:
    return {"$uuid": f"6d-{code}", "BPCNUM": code, "BPCNAM": name, **WHOLE, **more}


async def read(canned: Canned, **settings: Any) -> list[Party]:
    source = canned.rest(NAMES, **settings)
    return [party async for page in source.scan(None, None) for party in page.parties]


async def test_the_first_page_is_asked_for_as_documented() -> None:
    canned = Canned()
    canned.put(FIRST, a_list(record("C0001")))

    (party,) = await read(canned)

    assert party == Party("C0001", True, False, (), ("ALPHA", "DOM", "2026-03-01T08:30:00.000Z"))
    assert str(canned.asked[0].url) == (
        "https://x3.acme.test:8124/api1/x3/erp/SEED/BPCUSTOMER?representation=BPCUSTOMER.$query&orderBy=BPCNUM&count=2"
    )


async def test_ranges_and_codes_are_asked_for_in_the_where_language() -> None:
    canned = Canned()
    canned.put(
        f"{BASE}?representation=BPCUSTOMER.$query&where=BPCNUM le 'O''NEIL'&orderBy=BPCNUM&key=gt.A&count=2",
        a_list(),
    )
    for count in (1, 2):  # the first time it is found out whether this X3 knows `in`
        canned.put(
            f"{BASE}?representation=BPCUSTOMER.$query&where=BPCNUM in ('B','O''NEIL')&orderBy=BPCNUM&count={count}",
            a_list(record("O'NEIL")),
        )

    source = canned.rest(NAMES)
    assert [page.parties async for page in source.scan("A", "O'NEIL")] == []
    assert [party.code async for page in source.by_codes(["O'NEIL", "B"]) for party in page.parties] == ["O'NEIL"]
    assert "where=BPCNUM%20in%20%28%27B%27%2C%27O%27%27NEIL%27%29" in canned.targets[1]


async def test_an_x3_that_knows_no_lists_is_asked_with_or() -> None:
    canned = Canned()
    target = BASE + "?representation=BPCUSTOMER.$query&where={}&orderBy=BPCNUM&count={}"
    refusal = {"$diagnoses": [{"$severity": "error", "$message": "Syntax error"}]}
    canned.put(target.format("BPCNUM in ('A','B')", 1), httpx.Response(400, json=refusal))
    canned.put(target.format("BPCNUM eq 'A' or BPCNUM eq 'B'", 2), a_list(record("A"), record("B")))

    source = canned.rest(NAMES)
    for _ in range(2):
        assert [party.code async for page in source.by_codes(["A", "B"]) for party in page.parties] == ["A", "B"]

    assert len(canned.asked) == 3  # the list is not tried again


@pytest.mark.parametrize(
    "following",
    [
        "https://x3.acme.test:8124/api1/x3/erp/SEED/BPCUSTOMER?representation=BPCUSTOMER.$query&key=gt.C0001&count=2",
        "http://srv-x3:8124/api1/x3/erp/SEED/BPCUSTOMER?representation=BPCUSTOMER.$query&key=gt.C0001&count=2",
        "http://10.1.2.3/api1/x3/erp/SEED/BPCUSTOMER?representation=BPCUSTOMER.$query&key=gt.C0001&count=2",
        "http://web2.acme.test/api1/x3/erp/SEED/BPCUSTOMER?representation=BPCUSTOMER.$query&key=gt.C0001&count=2",
        "/api1/x3/erp/SEED/BPCUSTOMER?representation=BPCUSTOMER.$query&key=gt.C0001&count=50",
        "https://x3.acme.test:8124/sdata/x3/erp/SEED/BPCUSTOMER?representation=BPCUSTOMER.$query&key=gt.C0001&count=2",
    ],
)
async def test_a_link_to_this_x3_is_followed_on_the_configured_address(following: str) -> None:
    canned = Canned()
    canned.put(FIRST, a_list(record("C0001"), following=following))
    canned.put(f"{BASE}?representation=BPCUSTOMER.$query&key=gt.C0001&count=2", a_list(record("C0002")))

    assert [party.code for party in await read(canned)] == ["C0001", "C0002"]
    assert {str(request.url.copy_with(query=None)) for request in canned.asked} == {
        "https://x3.acme.test:8124/api1/x3/erp/SEED/BPCUSTOMER"
    }


async def test_a_prefix_of_a_proxy_stays_in_front() -> None:
    canned = Canned()
    inner = "http://srv-x3:8124/api1/x3/erp/SEED/BPCUSTOMER?representation=BPCUSTOMER.$query&key=gt.C0001"
    canned.put(f"/erp{FIRST}", a_list(record("C0001"), following=inner))
    canned.put(f"/erp{BASE}?representation=BPCUSTOMER.$query&key=gt.C0001&count=2", a_list())
    source = canned.rest(NAMES, url="https://proxy.acme.test/erp/")

    assert [party.code async for page in source.scan(None, None) for party in page.parties] == ["C0001"]


@pytest.mark.parametrize("host", ["evil.example", "x3.acme.test.evil.example", "8.8.8.8", "x3-acme.test"])
async def test_a_link_to_a_foreign_host_is_refused_with_a_sentence(host: str) -> None:
    canned = Canned()
    canned.put(FIRST, a_list(record("C0001"), following=f"https://{host}{FIRST}&key=gt.C0001"))

    with pytest.raises(NeedsTenant, match=re.escape(f"leads to {host}, not to x3.acme.test")) as refused:
        await read(canned)
    assert refused.value.code == "x3_link_host"
    assert len(canned.asked) == 1


async def test_a_foreign_name_of_this_x3_may_be_allowed() -> None:
    canned = Canned()
    canned.put(
        FIRST, a_list(record("C1"), following=f"https://x3.other.example{BASE}?representation=BPCUSTOMER.$query")
    )
    canned.put(f"{BASE}?representation=BPCUSTOMER.$query&count=2", a_list(record("C2")))

    assert len(await read(canned, link_hosts=["X3.other.example"])) == 2


@pytest.mark.parametrize(
    "following",
    [
        f"https://x3.acme.test:8124/api1/x3/erp/OTHER/BPCUSTOMER?{FIRST}",
        "https://x3.acme.test:8124/api1/x3/erp/SEED/AUSER?representation=AUSER.$query",
        "https://x3.acme.test:8124/api1/x3/erp/SEED/BPCUSTOMER",
        "https://[x3/api1",
    ],
)
async def test_a_link_to_something_else_is_not_followed(following: str) -> None:
    canned = Canned()
    canned.put(FIRST, a_list(record("C0001"), following=following))

    with pytest.raises(ProtocolMismatch):
        await read(canned)
    assert len(canned.asked) == 1


async def test_links_that_go_round_in_circles_end_the_run() -> None:
    canned = Canned()
    again = f"{BASE}?representation=BPCUSTOMER.$query&key=gt.C0001&count=2"
    canned.put(FIRST, a_list(record("C0001"), following=again))
    canned.put(again, a_list(record("C0001"), following=again))

    with pytest.raises(ProtocolMismatch) as refused:
        await read(canned)
    assert refused.value.code == "x3_endless"


async def test_blanks_menus_and_dates_are_read_in_all_their_forms() -> None:
    canned = Canned()
    canned.put(
        FIRST,
        a_list(
            record("C1", " ", BPCSTA=1, BPRFBDMAG=2),
            record("C2", "  Beta ", BPCSTA="2", BPRFBDMAG="1", BCGCOD=" ", UPDDATTIM="1599-12-31T00:00:00Z"),
            record("C3", BPCSTA=True, BPRFBDMAG=True, UPDDATTIM="2026-03-01T10:30:00+02:00"),
            record("C4", BPCSTA=None, BPRFBDMAG="yes", CNTFBDMAG=" ", UPDDATTIM=""),
            record("C5", BPCSTA=False, BPRFBDMAG=0, CNTFBDMAG=2),
        ),
    )

    found = {party.code: party for party in await read(canned)}

    assert [party.is_active for party in found.values()] == [False, True, True, True, False]
    assert [party.is_prohibited for party in found.values()] == [True, False, True, True, True]
    assert found["C1"].values[0] is None
    assert found["C2"].values == ("Beta", None, None)
    assert found["C3"].values[2] == "2026-03-01T08:30:00.000Z"
    assert found["C4"].values[2] is None


async def test_json_with_backslashes_that_escape_nothing_is_mended() -> None:
    canned = Canned()
    body = (
        b'{"$resources":[{"BPCNUM":"C1","BPCNAM":"A\\P and \\"B\\" \\u00e9\tx","BPCSTA":2,"BPRFBDMAG":1,"CNTFBDMAG":1,'
        b'"BCGCOD":"D\\\\M","UPDDATTIM":" "}]}'
    )
    canned.put(FIRST, httpx.Response(200, content=body))

    (party,) = await read(canned)

    assert party.values == ('A\\P and "B" é x', "D\\M", None)


async def test_a_200_with_an_error_among_its_diagnoses_is_an_error() -> None:
    canned = Canned()
    said = "Unauthorized: function GESBPC"
    canned.put(
        FIRST, {"$diagnoses": [{"$severity": "info", "$message": "x"}, {"$severity": "error", "$message": said}]}
    )

    with pytest.raises(NeedsTenant, match="GESBPC") as refused:
        await read(canned)
    assert refused.value.code == "x3_rights"


async def test_a_warning_among_the_diagnoses_of_a_list_changes_nothing() -> None:
    canned = Canned()
    canned.put(FIRST, {**a_list(record("C1")), "$diagnoses": [{"$severity": "warning", "$message": "slow"}]})

    assert len(await read(canned)) == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (401, {"message": "Unauthorized"}, NeedsTenant, "x3_unauthorised"),
        (403, {"$diagnoses": [{"$message": "no rights"}]}, NeedsTenant, "x3_forbidden"),
        (404, {"$diagnoses": [{"$message": "Class BPCUSTOMER not found"}]}, NeedsTenant, "x3_not_found"),
        (400, {"$diagnoses": [{"$message": "representation"}]}, NeedsTenant, "x3_bad_request"),
        (500, {"$diagnoses": [{"$message": "Property BPCNUM does not exist"}]}, NeedsTenant, "x3_schema"),
        (500, {"$diagnoses": [{"$message": "Record lock"}]}, Transient, "x3_internal"),
        (302, {}, NeedsTenant, "x3_redirect"),
        (503, {}, Transient, "x3_busy"),
        (200, {"rows": []}, ProtocolMismatch, "x3_shape"),
        (200, {"$resources": ["C1"]}, ProtocolMismatch, "x3_shape"),
        (200, {"$resources": [], "$links": {"$next": {}}}, ProtocolMismatch, "x3_shape"),
    ],
)
async def test_failures_are_named_by_who_can_put_them_right(
    status: int, body: Any, error: type[Exception], code: str
) -> None:
    canned = Canned()
    canned.put(FIRST, body, status=status)

    with pytest.raises(error) as refused:
        await read(canned)
    assert getattr(refused.value, "code", None) == code


async def test_a_page_too_large_to_be_answered_is_asked_for_smaller() -> None:
    canned = Canned()
    for count in (40, 20):
        canned.put(
            FIRST.replace("count=2", f"count={count}"),
            {"$diagnoses": [{"$severity": "error", "$message": "The request timed out"}]},
        )
    canned.put(FIRST.replace("count=2", "count=10"), a_list(record("C1")))

    assert len(await read(canned, page_size=40)) == 1


async def test_a_row_without_a_key_is_left_out_with_a_warning_and_a_list_without_one_is_refused() -> None:
    canned = Canned()
    canned.put(FIRST, a_list(record("C1"), record(" ")))
    source = canned.rest(NAMES)
    assert [party.code async for page in source.scan(None, None) for party in page.parties] == ["C1"]
    assert any("without a code" in warning for warning in source.warnings)

    canned = Canned()
    canned.put(FIRST, a_list({"YCODE": "C1"}))
    with pytest.raises(NeedsTenant, match="does not show BPCNUM"):
        await read(canned)


async def test_a_class_of_the_site_is_read_by_its_own_columns() -> None:
    canned = Canned()
    rest = {
        "customers": {
            "class": "YCUST",
            "representation": "YCUSTML",
            "paths": {
                "code": "YNUM",
                "name": "YNAM",
                "category": "YCAT{1=export,2=home}",
                "default_address.emails": "YMAIL,YMAIL2",
                "custom.region": "YREG",
            },
        }
    }
    columns = {"BPCSTA": 2, "BPRFBDMAG": 1, "CNTFBDMAG": 1}
    canned.put(
        "/api1/x3/erp/SEED/YCUST?representation=YCUSTML.$query&orderBy=YNUM&count=2",
        a_list({"YNUM": "1", "YNAM": "A", "YCAT": 2, "YMAIL": " ", "YMAIL2": "a@b.test", "YREG": "N", **columns}),
    )
    selection = Selection("customers", ("default_address.emails",), ("name", "category", "custom.region"))

    source = canned.rest(selection, rest=rest)
    (party,) = [party async for page in source.scan(None, None) for party in page.parties]

    assert party == Party("1", True, False, (("a@b.test",),), ("A", "home", "N"))
