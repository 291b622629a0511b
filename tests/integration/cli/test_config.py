"""A tenant out of a file, into a file, and changed by a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.objects import NOWHERE, SECRETS, furnish
from tests.integration.cli.conftest import Shell

pytestmark = pytest.mark.integration

FROM_ENV = "credential: {client_id: app, subject: adc, from_env: {client_secret: X3_SECRET}}"
WHOLE = f"""\
format: ml-connector/v1
connections:
  X3 production:
    system: sage_x3
    kind: graphql_jwt
    url: {NOWHERE}
    settings: {{endpoint: SEED, page_size: 200}}
    {FROM_ENV}
  Mailchimp:
    system: mailchimp
    kind: api_key
    settings: {{base_url: 'http://127.0.0.1:9/3.0'}}
    credential: {{from_env: {{api_key: MC_KEY}}}}
mappings:
  customers:
    stream: customers
    tags: [{{name: x3-customer}}]
syncs:
  customers to newsletter:
    stream: customers
    source_connection: X3 production
    target_connection: Mailchimp
    mapping: customers
    target: {{audience_id: a6b5da1054}}
    new_member_status: transactional
    filter: {{field: country, in: [FR, NO]}}
    schedule: {{kind: daily, at: 02:30}}
"""
ENV = {"X3_SECRET": SECRETS[0], "MC_KEY": SECRETS[1], "MLC_TENANT": "acme"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "acme.yaml"
    path.write_text(WHOLE)
    return path


def replace(file: Path, *pairs: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


async def items(shell: Shell, tenant: str, noun: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await shell.api.get(f"{tenant}/{noun}")).json()["items"]
    return found


async def test_an_empty_tenant_becomes_what_the_file_says_and_a_second_time_nothing_is_done(
    shell: Shell, file: Path
) -> None:
    tenant = await shell.api.tenant()

    before = await shell.run("config", "diff", str(file), **ENV)
    applied = await shell.run("config", "apply", str(file), "--yes", **ENV)
    after = await shell.run("config", "diff", str(file), **ENV)
    again = await shell.run("config", "apply", str(file), "--yes", **ENV)

    assert before.exit_code == 1
    assert "+ connection 'X3 production'" in before.stdout
    assert "+ sync 'customers to newsletter'" in before.stdout
    assert (applied.exit_code, applied.stderr.splitlines()[-1]) == (0, "Changes made: 4.")
    assert (after.exit_code, after.stdout) == (0, "The tenant is as the file says.\n")
    assert (again.exit_code, again.stderr) == (0, "Nothing to do.\n")
    (sync,) = await items(shell, tenant, "syncs")
    names = {c["name"]: c["id"] for c in await items(shell, tenant, "connections")}
    assert sync["source_connection_id"] == names["X3 production"]
    assert sync["target_connection_id"] == names["Mailchimp"]
    assert sync["filter"] == {"field": "country", "in": ["FR", "NO"]}
    assert sync["schedule"] == {"kind": "daily", "at": "02:30"}
    for secret in SECRETS:
        assert secret not in before.output + applied.output + after.output


async def test_what_is_exported_is_the_same_and_makes_the_same_elsewhere(shell: Shell, tmp_path: Path) -> None:
    tenant = await shell.api.tenant()
    await furnish(shell.api, tenant)
    await shell.api.made(f"{tenant}/mappings", {"name": "orders", "stream": "invoices"})
    text = await shell.ok("config", "export", "--tenant", "acme")
    path = tmp_path / "acme.yaml"
    path.write_text(text)

    same = await shell.run("config", "diff", str(path), "--tenant", "acme")
    await shell.api.tenant("twin")
    x3, mailchimp = "    url: http://127.0.0.1:9/xtrem/api\n", "    kind: api_key\n"
    replace(
        path,
        (x3, f"{x3}    {FROM_ENV}\n"),
        (mailchimp, f"{mailchimp}    credential: {{from_env: {{api_key: MC_KEY}}}}\n"),
    )
    twin = ENV | {"MLC_TENANT": "twin"}
    await shell.ok("config", "apply", str(path), "--yes", **twin)

    assert same.exit_code == 0, same.output
    assert await shell.ok("config", "export", **twin) == text
    for secret in (*SECRETS, "client_secret: c", "credential:\n"):
        assert secret not in text


async def test_a_changed_mapping_is_a_new_version_and_only_what_differs_is_named(shell: Shell, file: Path) -> None:
    tenant = await shell.api.tenant()
    await shell.ok("config", "apply", str(file), "--yes", **ENV)
    replace(
        file,
        ("[{name: x3-customer}]", "[{name: x3-customer}, {name: vip, when: {field: category, in: [VIP]}}]"),
        ("at: 02:30", "at: 03:15"),
        ("page_size: 200", "max_concurrency: 1"),
    )

    found = await shell.run("config", "diff", str(file), "--json", **ENV)
    await shell.ok("config", "apply", str(file), "--yes", **{**ENV, "X3_SECRET": ""})

    assert {
        (change["noun"], change["change"], one["path"]): (one.get("before"), one.get("after"))
        for change in json.loads(found.stdout)
        for one in change["differences"]
    } == {
        ("connections", "change", "settings.page_size"): (200, 500),
        ("connections", "change", "settings.max_concurrency"): (2, 1),
        ("mappings", "change", "tags.vip"): (None, {"name": "vip", "when": {"field": "category", "in": ["VIP"]}}),
        ("syncs", "change", "schedule.at"): ("02:30", "03:15"),
    }
    assert [m["version"] for m in await items(shell, tenant, "mappings")] == [2]
    (sync,) = await items(shell, tenant, "syncs")
    assert (sync["schedule"]["at"], sync["filter"]["in"]) == ("03:15", ["FR", "NO"])
    assert (await shell.run("config", "diff", str(file), **ENV)).exit_code == 0


async def test_nothing_is_done_when_the_answer_is_no(shell: Shell, file: Path) -> None:
    tenant = await shell.api.tenant()

    result = await shell.run("config", "apply", str(file), typed="n\n", **ENV)

    assert (result.exit_code, await items(shell, tenant, "connections")) == (1, [])
    assert "Make these changes (4)?" in result.stderr


async def test_without_prune_nothing_is_deleted_and_with_it_everything_that_is_not_in_the_file(
    shell: Shell, file: Path
) -> None:
    tenant = await shell.api.tenant()
    await shell.ok("config", "apply", str(file), "--yes", **ENV)
    file.write_text("format: ml-connector/v1\nsyncs: {}\nmappings: {}\n")

    kept = await shell.run("config", "apply", str(file), "--yes", **ENV)
    left = [await items(shell, tenant, noun) for noun in ("syncs", "mappings")]
    await shell.ok("config", "apply", str(file), "--yes", "--prune", **ENV)

    assert kept.stderr == "Nothing to do.\n"
    assert "- sync 'customers to newsletter' (not in the file; stays without --prune)" in kept.stdout
    assert [len(found) for found in left] == [1, 1]
    assert [len(await items(shell, tenant, noun)) for noun in ("syncs", "mappings", "connections")] == [0, 0, 2]


async def test_a_secret_that_is_not_at_hand_stops_everything_before_it_begins(shell: Shell, file: Path) -> None:
    tenant = await shell.api.tenant()

    result = await shell.run("config", "apply", str(file), "--yes", **{**ENV, "MC_KEY": ""})

    assert result.exit_code == 2
    assert result.stderr == (
        f"{file}:13: connections.Mailchimp.credential.from_env.api_key: The environment variable MC_KEY is not set.\n"
    )
    assert await items(shell, tenant, "connections") == []


async def test_at_a_new_address_the_secret_is_wanted_again(shell: Shell, file: Path) -> None:
    tenant = await shell.api.tenant()
    await shell.ok("config", "apply", str(file), "--yes", **ENV)
    replace(file, (NOWHERE, "http://127.0.0.2:9/xtrem/api"))

    without = await shell.run("config", "apply", str(file), "--yes", **{**ENV, "X3_SECRET": ""})
    await shell.ok("config", "apply", str(file), "--yes", **ENV)

    assert (without.exit_code, "X3_SECRET is not set" in without.stderr) == (2, True)
    assert "http://127.0.0.2:9/xtrem/api" in [c["url"] for c in await items(shell, tenant, "connections")]


async def test_a_change_by_somebody_else_in_between_is_not_overwritten(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await shell.api.tenant()
    await shell.ok("config", "apply", str(file), "--yes", **ENV)
    replace(file, ("[{name: x3-customer}]", "[{name: theirs}]"), ("page_size: 200", "page_size: 300"))
    (mapping,) = await items(shell, tenant, "mappings")
    url, mine = f"{shell.url}{tenant}/mappings/{mapping['id']}", {"name": "customers", "stream": "customers"}

    def meanwhile(*_: object) -> None:
        import httpx

        answer = httpx.put(url, json=mine, headers={"Authorization": f"Bearer {shell.api.key}"}, trust_env=False)
        assert answer.status_code == 200

    monkeypatch.setattr("app.cli.config.commands._ask", meanwhile)
    result = await shell.run("config", "apply", str(file), **ENV)

    assert result.exit_code == 1
    assert "mapping 'customers': It was changed by somebody else since it was read" in result.stderr
    assert "1 of 2 changes were made" in result.stderr
    (after,) = await items(shell, tenant, "mappings")
    assert (after["version"], after["tags"]) == (2, mapping["tags"])


async def test_what_the_api_refuses_is_said_and_what_was_done_before_stays(shell: Shell, file: Path) -> None:
    tenant = await shell.api.tenant()
    replace(file, ("    stream: customers\n    source", "    stream: suppliers\n    source"))

    result = await shell.run("config", "apply", str(file), "--yes", **ENV)

    assert result.exit_code == 1
    assert "sync 'customers to newsletter': 422" in result.stderr
    assert "This mapping is for customers, not for suppliers." in result.stderr
    assert "3 of 4 changes were made; applying the file again goes on from there." in result.stderr
    assert [len(await items(shell, tenant, noun)) for noun in ("connections", "mappings", "syncs")] == [2, 1, 0]


async def test_a_tenants_own_key_needs_no_tenant_and_sees_no_other(shell: Shell, file: Path) -> None:
    tenant = await shell.api.tenant()
    await shell.api.tenant("rival")
    caller = await shell.api.caller(tenant, "admin")
    env = {"X3_SECRET": "x", "MC_KEY": "y-us6", "MLC_KEY": caller.key or ""}

    await shell.ok("config", "apply", str(file), "--yes", **env)
    rival = await shell.run("config", "export", "--tenant", "rival", **env)

    assert (rival.exit_code, rival.stdout) == (2, "")
    assert "no tenant 'rival'" in rival.stderr


async def test_two_of_a_name_cannot_be_told_apart(shell: Shell, file: Path) -> None:
    tenant = await shell.api.tenant()
    for _ in range(2):
        await shell.api.made(f"{tenant}/mappings", {"name": "customers", "stream": "customers"})

    result = await shell.run("config", "diff", str(file), **ENV)

    assert (result.exit_code, "Two mappings have the name 'customers'" in result.stderr) == (2, True)


async def test_a_setting_that_is_null_on_purpose_is_made_so_and_stays_so(shell: Shell, file: Path) -> None:
    tenant = await shell.api.tenant()
    base = "base_url: 'http://127.0.0.1:9/3.0'"
    replace(file, (base, f"{base}, batch_operations_from: null"))
    await shell.ok("config", "apply", str(file), "--yes", **ENV)
    same = await shell.run("config", "diff", str(file), **ENV)
    replace(file, (base, f"{base}, oauth_base_url: 'http://127.0.0.1:9'"))
    await shell.ok("config", "apply", str(file), "--yes", **ENV)
    after = await shell.run("config", "diff", str(file), **ENV)

    assert (same.exit_code, same.output) == (0, "The tenant is as the file says.\n")
    assert (after.exit_code, after.output) == (0, "The tenant is as the file says.\n")
    (found,) = [c for c in await items(shell, tenant, "connections") if c["name"] == "Mailchimp"]
    assert found["settings"]["batch_operations_from"] is None


async def test_a_null_that_the_api_would_take_for_the_default_is_refused(shell: Shell, file: Path) -> None:
    await shell.api.tenant()
    await shell.ok("config", "apply", str(file), "--yes", **ENV)
    base = "base_url: 'http://127.0.0.1:9/3.0'"
    replace(file, (base, f"{base}, batch_operations_from: null"))

    result = await shell.run("config", "apply", str(file), "--yes", **ENV)

    assert result.exit_code == 2
    assert f"{file}:12: connections.Mailchimp.settings.batch_operations_from: Null can be given" in result.stderr
