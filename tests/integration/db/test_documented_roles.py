"""The roles of docs/security.md: its statements as they stand, a migration by the owner, work by the application."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from app.cli.examining import all_findings
from app.embedded import EmbeddedServers
from app.settings import Settings
from tests.fixtures.database import at_database, run_on

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
FIRST, AFTER = re.findall(r"^```sql\n(.*?)^```$", PAGE.partition("## Database roles")[2], re.MULTILINE | re.DOTALL)
SHARED = ("mlc_app", "mlc_system")
"""They belong to the whole server, where other tests have made them already."""


class Names:
    """The page's roles and database under names of one test's own."""

    def __init__(self, servers: EmbeddedServers) -> None:
        self.url, self.suffix = servers.database_url, uuid4().hex[:12]
        self.owner, self.app = f"connector_owner_{self.suffix}", f"connector_app_{self.suffix}"
        self.database = f"connector_{self.suffix}"

    def statements(self, page: str) -> list[str]:
        own = re.sub(r"\bconnector(_owner|_app)?\b", rf"connector\1_{self.suffix}", page)
        made = tuple(f"create role {name} " for name in SHARED)
        return [line for line in own.splitlines() if line and not line.startswith(made)]

    def as_(self, role: str, password: str) -> str:
        there = at_database(self.url, self.database).replace("+asyncpg", "", 1)
        return re.sub(r"//[^@]*@", f"//{role}:{password}@", there)


@pytest.fixture
async def names(servers: EmbeddedServers, migrated_template: str) -> AsyncIterator[Names]:
    """Roles and an empty database, made by the page's first statements."""
    names = Names(servers)
    await run_on(servers.database_url, *names.statements(FIRST))
    yield names
    await run_on(
        servers.database_url,
        f'drop database "{names.database}" with (force)',
        *(f'drop owned by "{role}" cascade' for role in (names.app, names.owner)),
        *(f'drop role "{role}"' for role in (names.app, names.owner)),
    )


async def test_the_owner_migrates_and_the_application_stays_below_row_security(
    names: Names, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, app = names.as_(names.owner, "owner-secret"), names.as_(names.app, "app-secret")
    migrated = subprocess.run(
        [sys.executable, "-P", "-m", "app.cli.main", "migrate"],
        env={**os.environ, "MLC_DATABASE_URL": owner},
        capture_output=True,
        text=True,
        check=False,
    )
    assert migrated.returncode == 0, migrated.stderr[-2000:]
    for name in ("redis_url", "operator_key", "master_keys"):
        monkeypatch.setenv(f"MLC_{name.upper()}", getattr(settings, name).get_secret_value())
    monkeypatch.setenv("MLC_DATABASE_URL", app)

    before = {finding.name: finding for finding in await all_findings(offline=True)}
    connection = await asyncpg.connect(owner)
    for statement in names.statements(AFTER):
        await connection.execute(statement)
    await connection.close()
    after = {finding.name: finding.verdict for finding in await all_findings(offline=True)}

    assert before["migrations"].verdict == "bad"
    assert "docs/security.md" in before["migrations"].detail
    assert set(after.values()) == {"ok"}, after
    assert after["tenants apart"] == "ok"


async def test_the_application_can_do_nothing_of_its_own(names: Names) -> None:
    connection = await asyncpg.connect(names.as_(names.app, "app-secret"))

    for statement in ("create table mine ()", "create role another", f"grant mlc_app to {names.owner}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)

    await connection.close()
