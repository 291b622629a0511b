"""GraphQL of the X3 sandbox: filters, order, paging, errors, faults."""

from typing import Any

import httpx
import msgspec
import pytest

from sandbox.x3.state import X3State, iso


async def ask(client: httpx.AsyncClient, node: str, selection: str, **arguments: Any) -> dict[str, Any]:
    names = {"filter": "String", "orderBy": "String", "first": "Int", "after": "String"}
    declared = ",".join(f"${name}:{names[name]}" for name in arguments)
    passed = ",".join(f"{name}:${name}" for name in arguments)
    head, call = (f"query q({declared})", f"query({passed})") if arguments else ("", "query")
    text = f"{head} {{ x3MasterData {{ {node} {{ {call} {{ {selection} }} }} }} }}"
    answer = await client.post("/xtrem/api", json={"query": text, "variables": arguments})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    assert "errors" not in document, document["errors"]
    found: dict[str, Any] = document["data"]["x3MasterData"][node]["query"]
    return found


def keys(page: dict[str, Any]) -> list[str]:
    return [edge["node"]["_id"] for edge in page["edges"]]


IDS = "edges { node { _id } } pageInfo { endCursor hasNextPage } totalCount"


async def test_twenty_rows_come_when_nothing_is_said(x3: httpx.AsyncClient) -> None:
    page = await ask(x3, "customer", IDS)

    assert len(page["edges"]) == 20
    assert page["totalCount"] == 60


@pytest.mark.parametrize("order", ['{"_id":1}', '{"_updateStamp":1,"_id":1}', '{"currency":{"code":-1},"_id":-1}'])
async def test_pages_by_cursor_give_every_row_once_in_order(
    x3: httpx.AsyncClient, x3_state: X3State, order: str
) -> None:
    found: list[str] = []
    page = await ask(x3, "customer", IDS, orderBy=order, first=7)
    found += keys(page)
    while page["pageInfo"]["hasNextPage"]:
        page = await ask(x3, "customer", IDS, orderBy=order, first=7, after=page["pageInfo"]["endCursor"])
        found += keys(page)

    rows = x3_state.folder.customers.rows
    expected = {
        '{"_id":1}': sorted(rows),
        '{"_updateStamp":1,"_id":1}': sorted(rows, key=lambda key: (rows[key].stamp, key)),
        '{"currency":{"code":-1},"_id":-1}': sorted(rows, key=lambda key: (rows[key].currency, key), reverse=True),
    }
    assert found == expected[order]


async def test_a_stamp_filter_takes_rows_at_or_after_it(x3: httpx.AsyncClient, x3_state: X3State) -> None:
    middle = sorted(row.stamp for row in x3_state.folder.customer_addresses.rows.values())[30]
    page = await ask(x3, "customerAddress", "totalCount", filter=f'{{"_updateStamp":{{"_gte":"{iso(middle)}"}}}}')

    expected = sum(row.stamp >= middle for row in x3_state.folder.customer_addresses.rows.values())
    assert page["totalCount"] == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"code":{"code":{"_in":["C000003","C000001"]}}}',
        "{code:{code:{_in:['C000003','C000001']}}}",
        '[{"_id":{"_gte":"C000001"}},{"_id":{"_lte":"C000003"}},{"code":{"code":{"_ne":"C000002"}}}]',
        "{_id:{_regex:'^C00000[13]$'}}",
        '{"_id":{"_gt":"C000000","_lt":"C000004","_nin":["C000002"]}}',
    ],
)
async def test_filters_in_both_dialects(x3: httpx.AsyncClient, text: str) -> None:
    assert keys(await ask(x3, "customer", IDS, filter=text, orderBy='{"_id":1}')) == ["C000001", "C000003"]


async def test_children_are_found_by_their_owner(x3: httpx.AsyncClient, x3_state: X3State) -> None:
    text = msgspec.json.encode({"customer": {"code": {"code": {"_in": ["C000001", "C000002"]}}}}).decode()
    page = await ask(x3, "customerContact", "edges { node { _id customer { code { code } } } }", filter=text)

    owners = {edge["node"]["customer"]["code"]["code"] for edge in page["edges"]}
    expected = {row.owner for row in x3_state.folder.customer_contacts.rows.values()} & {"C000001", "C000002"}
    assert owners == expected


async def test_an_unknown_field_is_a_400_that_names_it(x3: httpx.AsyncClient) -> None:
    answer = await x3.post("/xtrem/api", json={"query": "{x3MasterData{customer{query{edges{node{nope}}}}}}"})

    assert answer.status_code == 400
    assert "Cannot query field 'nope'" in answer.json()["errors"][0]["message"]


async def test_a_damaged_cursor_is_an_error_beside_empty_data(x3: httpx.AsyncClient) -> None:
    text = '{x3MasterData{customer{query(after:"[]#1"){edges{node{_id}}}}}}'
    document = (await x3.post("/xtrem/api", json={"query": text})).json()

    assert document["data"]["x3MasterData"]["customer"]["query"] is None
    assert "Invalid cursor" in document["errors"][0]["message"]


async def test_introspection_walks_from_field_to_type(x3: httpx.AsyncClient) -> None:
    text = "{__schema{queryType{fields{name type{name}}}}}"
    fields = (await x3.post("/xtrem/api", json={"query": text})).json()["data"]["__schema"]["queryType"]["fields"]
    package = next(field["type"]["name"] for field in fields if field["name"] == "x3MasterData")
    text = "query t($n:String!){__type(name:$n){fields{name description}}}"
    document = (await x3.post("/xtrem/api", json={"query": text, "variables": {"n": package}})).json()

    assert "customer" in [field["name"] for field in document["data"]["__type"]["fields"]]


async def test_the_older_generation_has_other_names(x3: httpx.AsyncClient, x3_state: X3State) -> None:
    x3_state.settings.generations = ("xtremX3",)
    text = "{xtremX3MasterData{customer{query(first:1){edges{node{companyName category{code}}}}}}}"
    assert "errors" not in (await x3.post("/xtrem/api", json={"query": text})).json()
    assert (
        await x3.post("/xtrem/api", json={"query": "{x3MasterData{customer{query{totalCount}}}}"})
    ).status_code == 400


async def test_an_email_change_touches_the_address_alone(x3: httpx.AsyncClient, x3_state: X3State) -> None:
    before = x3_state.folder.customers.rows["C000001"].stamp
    await x3.post("/_sandbox/customers", json={"code": "C000001", "emails": ["new@acme.test"]})

    assert x3_state.folder.customers.rows["C000001"].stamp == before
    assert x3_state.folder.customer_addresses.rows["C000001~MAIN"].stamp > before
    assert x3_state.folder.customer_addresses.rows["C000001~MAIN"].emails[0] == "new@acme.test"


async def test_a_created_and_a_deleted_customer_appear_and_vanish(x3: httpx.AsyncClient) -> None:
    await x3.post("/_sandbox/customers", json={"code": "NEW'1", "name": "Neu", "emails": ["n@acme.test"]})
    assert keys(await ask(x3, "customer", IDS, filter='{"_id":"NEW\'1"}')) == ["NEW'1"]

    assert (await x3.delete("/_sandbox/customers", params={"code": "NEW'1"})).status_code == 204
    assert keys(await ask(x3, "customer", IDS, filter='{"_id":"NEW\'1"}')) == []


async def test_a_refused_row_fails_its_page_until_it_is_left_out(x3: httpx.AsyncClient) -> None:
    await x3.post("/_sandbox/faults", json={"kind": "row_refusal", "codes": ["C000002"]})
    text = "query q($f:String){x3MasterData{customer{query(filter:$f,first:50){edges{node{_id companyName1}}}}}}"

    document = (await x3.post("/xtrem/api", json={"query": text, "variables": {}})).json()
    assert document["data"]["x3MasterData"]["customer"]["query"] is None
    assert "Unauthorized: entityType: businessPartner, customer: C000002" in document["errors"][0]["message"]

    without = '{"code":{"code":{"_nin":["C000002"]}}}'
    document = (await x3.post("/xtrem/api", json={"query": text, "variables": {"f": without}})).json()
    assert len(document["data"]["x3MasterData"]["customer"]["query"]["edges"]) == 50


async def test_partial_data_comes_with_errors(x3: httpx.AsyncClient) -> None:
    await x3.post("/_sandbox/faults", json={"kind": "partial_data", "codes": ["defaultAddress"]})
    text = "{x3MasterData{customer{query(first:2){edges{node{_id defaultAddress{city}}}}}}}"
    document = (await x3.post("/xtrem/api", json={"query": text})).json()

    nodes = [edge["node"] for edge in document["data"]["x3MasterData"]["customer"]["query"]["edges"]]
    assert [node["defaultAddress"] for node in nodes] == [None, None]
    assert document["errors"]


async def test_a_node_that_cannot_be_sorted_by_stamp_says_system_error(x3: httpx.AsyncClient) -> None:
    text = '{x3InvoicingData{paymentTerm{query(orderBy:"{_updateStamp:1}"){totalCount}}}}'
    assert "System error" in (await x3.post("/xtrem/api", json={"query": text})).json()["errors"][0]["message"]


async def test_lines_are_found_by_invoice_and_carry_decimal_strings(x3: httpx.AsyncClient, x3_state: X3State) -> None:
    number = x3_state.folder.invoices.keys[0]
    text = "query q($f:String){x3Sales{salesInvoiceLine{query(filter:$f){edges{node{netPrice salesInvoice{id}}}}}}}"
    variables = {"f": msgspec.json.encode({"salesInvoice": {"id": {"_in": [number]}}}).decode()}
    document = (await x3.post("/xtrem/api", json={"query": text, "variables": variables})).json()

    nodes = [edge["node"] for edge in document["data"]["x3Sales"]["salesInvoiceLine"]["query"]["edges"]]
    assert len(nodes) == len(x3_state.folder.lines.group("invoice", number))
    assert all(isinstance(node["netPrice"], str) and node["salesInvoice"]["id"] == number for node in nodes)
