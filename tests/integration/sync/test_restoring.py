"""A database that is restored from an older backup, as docs/how-to/back-up-and-restore.md says: nobody is harmed."""

import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from app.connectors.retrying import without_waiting
from app.embedded import EmbeddedServers
from app.embedded.binaries import find_postgres
from app.main import create_app
from app.privacy.erasing import erase
from app.resources import open_resources
from app.settings import Settings
from tests.fixtures.database import at_database, run_on
from tests.fixtures.settings import OPERATOR_KEY
from tests.fixtures.site import Site, reached, served
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration

ADA, EVE, NEW = "ada@acme.test", "eve@acme.test", "new@acme.test"


def customer(code: str, email: str, name: str) -> dict[str, Any]:
    return {"code": code, "name": name, "emails": [email], "is_active": True}


def program(name: str) -> str:
    """One of PostgreSQL's own programs, beside the server's or on the path."""
    beside = find_postgres(None).folder / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name}")
    return found


def run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@asynccontextmanager
async def on(site: Site, settings: Settings, database_url: str) -> AsyncIterator[Site]:
    """The same tenant, vendors and keys, on another database."""
    sock = socket.socket(proto=socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    changed = settings.model_copy(update={"database_url": SecretStr(database_url), "public_url": url})
    async with open_resources(changed, interactive=True) as resources:
        app, headers = create_app(resources=resources), {"Authorization": f"Bearer {OPERATOR_KEY}"}
        async with (
            served(app, sock),
            httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as http,
        ):
            again = Site(Api(http, resources), resources, site.addresses, url)
            again.tenant, again.connection, again.x3 = site.tenant, site.connection, site.x3
            yield again
            await app.state.bell.close()


async def erased(site: Site, email: str) -> None:
    made = await site.api.made(f"{site.tenant}/erasures", {"email": email}, 202)
    with without_waiting():
        await erase(site.resources.opener, site.tenant_id, UUID(made["id"]), settle_seconds=0)


async def address_of(site: Site, code: str) -> str | None:
    """What the ledger holds of one record's address."""
    items = (await site.api.get(f"{site.tenant}/records?code={code}")).json()["items"]
    found: str | None = items[0]["email"]
    return found


async def test_what_people_did_after_the_backup_counts_before_anything_is_written(
    site: Site, settings: Settings, servers: EmbeddedServers, tmp_path: Path
) -> None:
    await site.customers(customer("ZADA", ADA, "Ada"), customer("ZEVE", EVE, "Eve"))
    sync = await site.sync(new_member_status="subscribed")
    await site.carry(sync)
    hook = str((await site.hook())["url"]).removeprefix(site.url)
    dump = str(tmp_path / "connector.dump")
    database_url = settings.database_url.get_secret_value().replace("+asyncpg", "", 1)
    run(program("pg_dump"), "--format=custom", f"--file={dump}", database_url)

    await site.customers(customer("ZNEW", NEW, "New"))
    await site.carry(sync, "delta")
    for email in (ADA, NEW):
        await site.mailchimp("POST", "unsubscribe", json={"email": email})
    await erased(site, EVE)
    before = await site.people()

    await run_on(servers.database_url, 'create database "mlc_restored_by_a_test"')
    restored_url = at_database(servers.database_url, "mlc_restored_by_a_test").replace("+asyncpg", "", 1)
    try:
        run(program("pg_restore"), "--exit-on-error", f"--dbname={restored_url}", dump)
        async with on(site, settings, restored_url) as again:
            assert await reached(again.url + hook) == 200
            assert await again.status(ADA) == "subscribed"  # what the backup believes
            assert await address_of(again, "ZEVE") == EVE
            await erased(again, EVE)
            await again.customers(
                customer("ZADA", ADA, "Ada & Sons"),
                customer("ZEVE", EVE, "Eve & Sons"),
                customer("ZNEW", NEW, "New & Sons"),
            )
            done = await again.carry(sync, "delta")

            after = await again.people()
            assert {email: after[email]["status"] for email in (ADA, NEW)} == dict.fromkeys((ADA, NEW), "unsubscribed")
            assert {email: after[email]["writes"] for email in (ADA, NEW)} == {
                e: before[e]["writes"] for e in (ADA, NEW)
            }
            assert EVE not in after
            assert await address_of(again, "ZEVE") is None
            assert (await again.mailchimp("GET", "consent"))["upward"] == []
            assert done["skipped_by_reason"]["opted_out"] == 2
            assert done["skipped_by_reason"]["forgotten"] == 1
            assert (await again.consent(ADA))[-1] == ("subscribed", "unsubscribed", "mirror_pull")
            assert (await again.api.get(f"{again.tenant}/audit/verify")).json()["ok"]
    finally:
        await run_on(servers.database_url, 'drop database "mlc_restored_by_a_test" with (force)')
