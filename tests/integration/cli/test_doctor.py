"""What doctor says of good and bad set-ups, with the real servers."""

import asyncpg
import pytest
from pydantic import SecretStr

from app.cli.examining import all_findings
from app.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The test's settings as variables, which is where doctor looks."""
    for name in ("database_url", "redis_url", "operator_key", "master_keys"):
        secret: SecretStr = getattr(settings, name)
        monkeypatch.setenv(f"MLC_{name.upper()}", secret.get_secret_value())
    return monkeypatch


async def verdicts() -> dict[str, str]:
    return {finding.name: finding.verdict for finding in await all_findings(offline=True)}


async def detail(name: str) -> str:
    return next(finding.detail for finding in await all_findings(offline=True) if finding.name == name)


@pytest.mark.usefixtures("environment")
async def test_a_good_set_up_has_nothing_bad() -> None:
    assert await verdicts() == {
        "settings": "ok",
        "keys": "ok",
        "database": "ok",
        "clock": "ok",
        "migrations": "ok",
        "tenants apart": "ok",
        "data keys": "ok",
        "redis": "ok",
        "egress": "ok",
    }


async def test_missing_settings_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    for name in ("MLC_DATABASE_URL", "MLC_REDIS_URL", "MLC_OPERATOR_KEY", "MLC_MASTER_KEYS"):
        monkeypatch.delenv(name, raising=False)

    findings = await all_findings(offline=True)

    assert [finding.verdict for finding in findings] == ["bad"] * 4
    assert findings[0].detail.startswith("MLC_DATABASE_URL: is not set")


async def test_an_empty_database_is_sent_to_migrate(environment: pytest.MonkeyPatch, empty_database_url: str) -> None:
    environment.setenv("MLC_DATABASE_URL", empty_database_url)

    assert "ml-connector migrate" in await detail("migrations")


async def test_data_keys_under_a_missing_master_key_are_named(
    environment: pytest.MonkeyPatch, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "insert into tenant (id, slug, name, time_zone, data_key, data_key_id)"
        " values (gen_random_uuid(), 'a', 'a', 'UTC', 'x', 'gone')"
    )
    await connection.close()

    assert await detail("data keys") == "wrapped by gone: put that back into MLC_MASTER_KEYS"


async def test_absent_servers_are_bad_findings_without_the_password(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MLC_DATABASE_URL", "postgresql://someone:pa55word@127.0.0.1:1/x")
    environment.setenv("MLC_REDIS_URL", "redis://:pa55word@127.0.0.1:1/0")

    findings = await all_findings(offline=True)

    assert {finding.name for finding in findings if finding.verdict == "bad"} == {"database", "redis"}
    assert not any("pa55word" in finding.detail for finding in findings)


async def test_a_malformed_egress_list_is_bad(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MLC_EGRESS_ALLOW", "10.0.0.0/99")

    assert await verdicts() == {"settings": "bad"}
    assert await detail("settings") == "MLC_EGRESS_ALLOW: 10.0.0.0/99 is no address range such as 10.1.0.0/16"
