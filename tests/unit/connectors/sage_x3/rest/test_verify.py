"""Verification over api1 against a sandbox X3."""

from typing import Any

import pytest

from sandbox.x3.state import Settings
from tests.unit.connectors.sage_x3.rest.conftest import RestX3, rest_x3


def check(found: Any, name: str) -> str:
    return " ".join(one.detail for one in found.checks if one.name == name)


async def test_a_good_connection_is_described(x3: RestX3) -> None:
    found = await x3.verify()

    assert found.ok, found.checks
    assert found.facts["generation"] == "api1"
    assert found.facts["page_size"] == 500
    assert found.facts["tells_changes"] is True
    assert abs(found.facts["clock_skew_seconds"]) < 5  # type: ignore[arg-type]  # a number, as the test says
    assert found.facts["missing_paths"] == ["suppliers.sales_rep_1", "suppliers.sales_rep_2"]
    seen = found.facts["rest"]["customers"]  # type: ignore[index]  # as above
    assert {"BPCNUM", "WEB1"} <= set(seen["listed"])
    assert "ADRTAB" in set(seen["detailed"]) - set(seen["listed"])


async def test_a_narrow_list_is_said_to_cost_a_call_per_record() -> None:
    found = await rest_x3(Settings(rest_list_is_narrow=True)).verify()

    assert found.ok
    assert "a call each" in check(found, "schema")


async def test_stamps_that_are_hidden_are_said() -> None:
    found = await rest_x3(Settings(rest_hides=("UPDDATTIM",))).verify()

    assert found.ok
    assert found.facts["tells_changes"] is False
    assert "every record is read and compared" in check(found, "delta")


async def test_fields_that_are_not_shown_are_named() -> None:
    found = await rest_x3(Settings(rest_hides=("BPCSTA", "LAN"))).verify()

    assert found.ok
    assert {"customers.is_active", "customers.language"} <= set(found.facts["missing_paths"])  # type: ignore[call-overload]  # a list
    assert "Check these." in check(found, "paths")


async def test_an_empty_folder_is_no_fault() -> None:
    found = await rest_x3(customers=0, suppliers=0).verify()

    assert found.ok, found.checks
    assert "no record yet" in check(found, "schema")


async def test_suppliers_nobody_may_read_do_not_spoil_the_customers() -> None:
    x3 = rest_x3(Settings(rest_hides_classes=("BPSUPPLIER",)))

    found = await x3.verify()

    assert found.ok
    assert "suppliers cannot be read" in check(found, "schema")
    assert "suppliers" not in found.facts["rest"]  # type: ignore[operator]  # a mapping


@pytest.mark.parametrize(
    ("changes", "failing", "sentence"),
    [
        ({"credential": {"username": "MLC", "password": "no"}}, "authentication", "credential"),
        ({"credential": {"username": "MLC"}}, "settings", "password"),
        ({"settings": {"endpoint": "OTHER"}}, "reachability", "OTHER"),
        ({"settings": {"endpoint": ""}}, "settings", "settings.endpoint"),
        ({"settings": {"endpoint": "../SEED"}}, "settings", "settings.endpoint"),
        ({"url": "https://x3.acme.test:8124/api1/x3/erp/SEED"}, "settings", "root of the X3 server"),
        ({"url": "https://x3.acme.test:8124/sdata/"}, "settings", "root of the X3 server"),
        ({"settings": {"rest": {"customers": {"class": "YNONE"}}}}, "reachability", "YNONE"),
        ({"settings": {"rest": {"customers": {"representation": "YNONE"}}}}, "reachability", "representation"),
        ({"settings": {"rest": {"customers": {"paths": {"code": "YNUM"}}}}}, "schema", "YNUM"),
    ],
)
async def test_what_is_wrong_is_said_where_it_belongs(
    x3: RestX3, changes: dict[str, Any], failing: str, sentence: str
) -> None:
    found = await x3.verify(**changes)

    assert not found.ok
    assert found.checks[-1].name == failing
    assert sentence in found.checks[-1].detail


async def test_a_server_that_answers_web_pages_is_named(x3: RestX3) -> None:
    x3.fault("html", count=None)

    found = await x3.verify()

    assert not found.ok
    assert "proxy or a wrong URL" in found.checks[-1].detail
