from collections.abc import Mapping

import httpx
import pytest

from app.connectors.mailchimp.verify import verify
from app.connectors.pacing import LocalPacer
from app.domain.verification import Verification
from tests.unit.connectors.mailchimp.scripted import Reply, Script, html, ok, problem

PING = ok({"health_status": "Everything's Chimpy!"})
ACCOUNT = {
    "account_id": "acc",
    "account_name": "Acme",
    "login_id": "456",
    "role": "owner",
    "pricing_plan_type": "monthly",
}
LISTS = ok({"lists": [{"id": "l1", "name": "News"}], "total_items": 1})


async def verified(
    script: Script,
    credential: Mapping[str, object],
    kind: str = "api_key",
    settings: Mapping[str, object] | None = None,
    facts: Mapping[str, object] | None = None,
) -> Verification:
    return await verify(
        kind=kind,
        settings=settings or {},
        credential=credential,
        facts=facts or {},
        outbound_client=httpx.AsyncClient(transport=httpx.MockTransport(script)),
        pacer=LocalPacer(2),
    )


async def test_a_working_key_tells_what_it_opens() -> None:
    result = await verified(Script(PING, ok(ACCOUNT), LISTS), {"api_key": "k-us6"})
    assert result.ok
    assert [check.name for check in result.checks] == ["data_centre", "ping", "account", "role", "audiences"]
    assert result.facts == {
        "data_centre": "us6",
        "account_id": "acc",
        "account_name": "Acme",
        "login_id": "456",
        "role": "owner",
        "pricing_plan": "monthly",
    }


async def test_a_token_learns_its_data_centre_from_the_login_server_once() -> None:
    script = Script(ok({"dc": "us9"}), PING, ok(ACCOUNT), LISTS)
    result = await verified(script, {"access_token": "tok"}, "oauth")
    assert (result.ok, result.facts["data_centre"]) == (True, "us9")
    assert script.requests[0].url == "https://login.mailchimp.com/oauth2/metadata"
    assert script.requests[0].headers["Authorization"] == "OAuth tok"
    assert script.requests[1].url.host == "us9.api.mailchimp.com"


@pytest.mark.parametrize(
    ("replies", "failed", "words"),
    [
        ((problem(401, "API Key Invalid"),), "ping", "API key"),
        ((html(503),), "ping", "fault"),
        ((httpx.ConnectError("refused"),), "ping", "reached"),
        ((httpx.ReadTimeout("late"),), "ping", "in time"),
        ((httpx.Response(200, text="<html>"),), "ping", "could not be read"),
        ((PING, ok({"no": "account"})), "account", "shape"),
        ((PING, ok({**ACCOUNT, "role": "viewer"})), "role", "viewer"),
        ((PING, ok(ACCOUNT), ok({"lists": []})), "audiences", "no audience"),
    ],
)
async def test_what_fails_is_a_check_with_a_sentence_not_an_exception(
    replies: tuple[Reply, ...], failed: str, words: str
) -> None:
    result = await verified(Script(*replies), {"api_key": "k-us6"})
    assert not result.ok
    assert (result.checks[-1].name, result.checks[-1].ok) == (failed, False)
    assert words in result.checks[-1].detail


async def test_a_key_without_a_data_centre_is_told_so_before_any_call() -> None:
    script = Script(PING)
    result = await verified(script, {"api_key": "nonsense"})
    assert (result.ok, result.checks[-1].name, script.requests) == (False, "data_centre", [])
    assert not (await verified(script, {}, "oauth")).ok
    assert not (await verified(script, {})).ok


async def test_a_revoked_token_is_named_for_what_cures_it() -> None:
    result = await verified(Script(problem(401)), {"access_token": "tok"}, "oauth")
    assert [(check.name, check.ok) for check in result.checks] == [("authorization", False)]
    assert [check.name for check in (await verified(Script(PING), {}, "oauth")).checks] == ["authorization"]


async def test_a_login_server_that_is_away_does_not_matter_once_the_data_centre_is_known() -> None:
    script = Script(html(503), PING, ok(ACCOUNT), LISTS)
    assert (await verified(script, {"access_token": "tok"}, "oauth", facts={"data_centre": "us9"})).ok
    assert not (await verified(Script(html(503)), {"access_token": "tok"}, "oauth")).ok


async def test_a_given_address_needs_no_login_server() -> None:
    script = Script(PING, ok(ACCOUNT), LISTS)
    result = await verified(script, {"access_token": "tok"}, "oauth", settings={"base_url": "http://127.0.0.1:9"})
    assert result.ok
    assert {request.url.host for request in script.requests} == {"127.0.0.1"}
