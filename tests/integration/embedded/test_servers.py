"""Starting, stopping, killing and starting again, with the real servers."""

import asyncio
import os
import signal
import stat
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from app.embedded import EmbeddedServerError, EmbeddedServers, embedded_servers
from app.embedded.process import is_running
from tests.integration.embedded.launching import launcher

pytestmark = pytest.mark.integration


@pytest.fixture
def data_dir(open_folder: Path, request: pytest.FixtureRequest) -> Path:
    return open_folder / f"data-{abs(hash(request.node.name))}"


async def query(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def remember(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create table kept (value text); insert into kept values ('é 漢')")
    finally:
        await connection.close()


async def ring(url: str, *, write: bool) -> object:
    client = Redis.from_url(url)
    try:
        if write:
            await client.set("kept", "here")
        return await client.get("kept")
    finally:
        await client.aclose()


async def gone(pid: int) -> bool:
    """Whether a process ends within a generous time."""
    for _ in range(600):
        if not is_running(pid):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_data_are_kept_over_a_restart(data_dir: Path) -> None:
    async with embedded_servers(data_dir) as servers:
        await remember(servers.database_url)
        await ring(servers.redis_url, write=True)
    async with embedded_servers(data_dir) as servers:
        assert await query(servers.database_url, "select value from kept") == "é 漢"
        assert await ring(servers.redis_url, write=False) == b"here"


async def test_both_servers_ask_for_a_password_that_only_the_launcher_can_read(data_dir: Path) -> None:
    async with embedded_servers(data_dir) as servers:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(servers.database_url.replace("postgresql://ml_connector:", "postgresql://ml_connector:x"), "")
        secrets = [data_dir / "postgres.password", data_dir / "valkey.password"]
        assert [stat.S_IMODE(path.stat().st_mode) for path in secrets] == [0o600, 0o600]
        port = servers.redis_url.rpartition(":")[2]
        client = Redis.from_url(f"redis://127.0.0.1:{port}")
        with pytest.raises(Exception, match="Authentication required"):
            await client.ping()
        await client.aclose()


async def test_the_cluster_is_utf8_with_checksums_and_scram(data_dir: Path) -> None:
    async with embedded_servers(data_dir) as servers:
        assert await query(servers.database_url, "show server_encoding") == "UTF8"
        assert await query(servers.database_url, "show data_checksums") == "on"
        assert await query(servers.database_url, "show fsync") == "on"
        assert str(await query(servers.database_url, "select rolpassword from pg_authid where rolname = current_user"))[
            :13
        ] == ("SCRAM-SHA-256")


async def test_a_killed_postmaster_is_started_again_on_the_same_data(data_dir: Path) -> None:
    async with embedded_servers(data_dir) as servers:
        await remember(servers.database_url)
        assert servers.postgres is not None
        os.kill(servers.postgres.pid, signal.SIGKILL)
    assert (data_dir / "postgres" / "postmaster.pid").exists()
    async with embedded_servers(data_dir) as servers:
        assert await query(servers.database_url, "select value from kept") == "é 漢"


async def test_watching_starts_a_killed_server_again_at_the_same_address(data_dir: Path) -> None:
    async with embedded_servers(data_dir) as servers:
        await remember(servers.database_url)
        assert servers.postgres is not None
        assert servers.valkey is not None
        before, address = servers.postgres.pid, servers.database_url
        watching = asyncio.create_task(servers.watch())
        os.kill(before, signal.SIGKILL)
        os.kill(servers.valkey.pid, signal.SIGKILL)
        for _ in range(200):
            await asyncio.sleep(0.05)
            try:
                value = await query(address, "select value from kept")
                await ring(servers.redis_url, write=True)
                break
            except (OSError, asyncpg.PostgresError, Exception):  # not there again yet
                continue
        watching.cancel()
        assert value == "é 漢"
        assert servers.postgres.pid != before


async def test_servers_end_when_their_launcher_is_killed(data_dir: Path) -> None:
    with launcher(data_dir) as launched:
        await remember(launched.database_url)
        launched.process.kill()
        assert await gone(launched.postgres_pid)
        assert await gone(launched.valkey_pid)
    async with embedded_servers(data_dir) as servers:  # and the folder is free again
        assert await query(servers.database_url, "select value from kept") == "é 漢"


async def test_a_new_launcher_waits_for_the_servers_of_a_killed_one(data_dir: Path) -> None:
    with launcher(data_dir) as launched:
        await remember(launched.database_url)
        launched.process.kill()
        launched.process.wait()
        async with embedded_servers(data_dir) as servers:
            assert await query(servers.database_url, "select value from kept") == "é 漢"


async def test_a_folder_in_use_is_refused_with_a_sentence(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with embedded_servers(data_dir):
        second = EmbeddedServers(data_dir)
        monkeypatch.setattr("app.embedded.servers.LOCK_SECONDS", 0.2)
        with pytest.raises(EmbeddedServerError, match=f"in use by process {os.getpid()}"):
            await second.start()


async def test_data_of_another_major_version_are_refused_with_a_sentence(data_dir: Path) -> None:
    async with embedded_servers(data_dir):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedServerError, match="written by PostgreSQL 9"):
        async with embedded_servers(data_dir):
            pass


async def test_a_named_folder_without_programs_is_refused(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLC_POSTGRES_BIN", "/nonexistent")
    with pytest.raises(EmbeddedServerError, match="MLC_POSTGRES_BIN is '/nonexistent'"):
        async with embedded_servers(data_dir):
            pass


async def test_a_server_that_fails_says_why_and_leaves_nothing_running(data_dir: Path) -> None:
    async with embedded_servers(data_dir) as servers:
        assert servers.postgres is not None
    (data_dir / "postgres" / "postgresql.conf").write_text("no_such_setting = on\n")
    servers = EmbeddedServers(data_dir)
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        await servers.start()
    assert servers.postgres is not None
    assert not is_running(servers.postgres.pid)
    assert servers.valkey is not None


async def test_given_addresses_are_used_and_nothing_is_started(data_dir: Path) -> None:
    async with embedded_servers(data_dir, database_url="postgresql://there/x", redis_url="redis://there") as servers:
        assert (servers.database_url, servers.redis_url) == ("postgresql://there/x", "redis://there")
    assert not data_dir.exists()


async def test_one_given_address_starts_only_the_other_server(data_dir: Path) -> None:
    async with embedded_servers(data_dir, database_url="postgresql://there/x") as servers:
        assert servers.postgres is None
        assert await ring(servers.redis_url, write=True) == b"here"
