"""REST api1 of the X3 sandbox."""

from typing import Any

import httpx
import msgspec
import pytest

from sandbox.x3.state import X3State

LIST = "/api1/x3/erp/SEED/BPCUSTOMER"


async def read_all(x3: httpx.AsyncClient, **params: str) -> list[dict[str, Any]]:
    answer = await x3.get(LIST, params={"representation": "BPCUSTOMER.$query", **params})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["$resources"]
    while (following := answer.json()["$links"].get("$next")) is not None:
        answer = await x3.get(following["$url"])
        rows += answer.json()["$resources"]
    return rows


@pytest.mark.parametrize("order", ["", "UPDDATTIM,BPCNUM", "CRY desc,BPCNUM"])
async def test_following_the_links_gives_every_row_once(x3: httpx.AsyncClient, x3_state: X3State, order: str) -> None:
    rows = await read_all(x3, count="7", **({"orderBy": order} if order else {}))

    assert sorted(row["BPCNUM"] for row in rows) == x3_state.folder.customers.keys


async def test_where_understands_dates_lists_and_functions(x3: httpx.AsyncClient) -> None:
    everything = await read_all(x3, count="100")
    stamp = sorted(row["UPDDATTIM"] for row in everything)[30]
    recent = await read_all(x3, count="100", where=f"UPDDATTIM ge @{stamp}@ and CRY in ('FR','DE')")

    expected = [row["BPCNUM"] for row in everything if row["UPDDATTIM"] >= stamp and row["CRY"] in ("FR", "DE")]
    assert [row["BPCNUM"] for row in recent] == expected
    assert len(await read_all(x3, where="left(BPCNUM,7) eq 'C000001' or BPCNUM like '%0002'")) == 2


async def test_an_unknown_property_is_a_500_and_a_missing_record_a_200(
    x3: httpx.AsyncClient, x3_state: X3State
) -> None:
    params = {"representation": "BPCUSTOMER.$query", "where": "NOPE eq 1"}
    assert (await x3.get(LIST, params=params)).status_code == 500
    x3_state.settings.rest_hides = ("UPDDATTIM",)
    assert (await x3.get(LIST, params=params | {"where": "UPDDATTIM ge @2020-01-01T00:00:00Z@"})).status_code == 500

    missing = await x3.get(f"{LIST}('NONE')", params={"representation": "BPCUSTOMER.$details"})
    assert missing.status_code == 200
    assert missing.json()["$diagnoses"][0]["$message"] == "721 : Record does not exist"


async def test_details_carry_addresses_and_contacts(x3: httpx.AsyncClient, x3_state: X3State) -> None:
    record = (await x3.get(f"{LIST}('C000001')", params={"representation": "BPCUSTOMER.$details"})).json()

    assert record["BPCSTA"] in (1, 2)
    assert record["CUR_REF"] == {"$title": record["CUR"]}
    assert next(row["BPAADD"] for row in record["ADRTAB"]) == "MAIN"
    assert len(record["CNTTAB"]) == len(x3_state.folder.customer_contacts.group("owner", "C000001"))


async def test_bad_backslash_escapes_can_be_switched_on(x3: httpx.AsyncClient, x3_state: X3State) -> None:
    x3_state.folder.partners.rows["C000001"].names = ("BACK\\SLASH", " ")
    x3_state.settings.rest_bad_escapes = True
    answer = await x3.get(LIST, params={"representation": "BPCUSTOMER.$query", "count": "1"})

    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(answer.content)
