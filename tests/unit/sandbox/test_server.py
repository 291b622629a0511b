"""Both servers over real HTTP."""

import httpx
import pytest

from sandbox.server import Options, running


async def test_both_vendors_answer_on_free_ports_and_cut_connections() -> None:
    async with running(Options(customers=20, suppliers=2, invoices=2)) as found, httpx.AsyncClient() as client:
        query = {"query": "{x3MasterData{customer{query{totalCount}}}}"}
        auth = (found.x3["username"], found.x3["password"])
        answer = await client.post(found.x3["graphql_url"], json=query, auth=auth)
        assert answer.json()["data"]["x3MasterData"]["customer"]["query"]["totalCount"] == 20
        assert len(answer.headers.get_list("date")) == 1

        headers = {"authorization": f"Bearer {found.mailchimp['api_key']}"}
        assert (await client.get(f"{found.mailchimp['base_url']}/ping", headers=headers)).status_code == 200
        for kind in ("close", "close_mid_body", "apply_then_timeout"):
            await client.post(f"{found.mailchimp['url']}/_sandbox/faults", json={"kind": kind, "seconds": 0})
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"{found.mailchimp['base_url']}/ping", headers=headers)
