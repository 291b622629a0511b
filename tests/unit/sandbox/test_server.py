"""Both servers over real HTTP."""

import socket

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


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(OSError, match=f"Port {port} of 127.0.0.1 cannot be used"):
            async with running(Options(customers=1, suppliers=0, invoices=0, x3_port=port)):
                pass
