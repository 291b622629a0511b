"""As root: rights are dropped, and no folder is opened up for it. As an ordinary user: no difference."""

import os
import pwd
import shutil
import stat
from pathlib import Path

import asyncpg
import pytest

from app.embedded import EmbeddedServerError, EmbeddedServers, embedded_servers
from app.embedded.accounts import Account, serving_account
from app.embedded.binaries import find_postgres, find_valkey
from tests.integration.embedded.launching import CHECKOUT, interpreters, launcher

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
]


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


async def answers(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("select true"))
    finally:
        await connection.close()


async def test_root_runs_the_servers_as_another_account(open_folder: Path) -> None:
    async with embedded_servers(open_folder / "as-root") as servers:
        assert servers.postgres is not None
        assert servers.valkey is not None
        expected = serving_account().uid
        assert expected != 0
        assert (owner(servers.postgres.pid), owner(servers.valkey.pid)) == (expected, expected)
        assert stat.S_IMODE((open_folder / "as-root" / "postgres").stat().st_mode) == 0o700


async def test_without_a_postgres_account_root_uses_nobody(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.embedded.accounts.PREFERRED", ("no-such-account", "nobody"))
    async with embedded_servers(open_folder / "as-nobody") as servers:
        assert servers.postgres is not None
        assert pwd.getpwuid(owner(servers.postgres.pid)).pw_name == "nobody"


async def test_an_ordinary_user_runs_the_servers_himself(open_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account("nobody", nobody.pw_uid, nobody.pw_gid, drops_rights=True)
    usable = [interpreter for interpreter in interpreters() if account.can_execute(interpreter)]
    if not (usable and account.can_search(CHECKOUT)):
        pytest.skip("this checkout or every Python of this version lies in a folder closed to other users")
    folder = open_folder / "of-nobody"
    account.make_private(folder)
    # A system Python before 3.11.3 makes redis-py ask for a back-port that is not installed for this one.
    (folder / "async_timeout.py").write_text("from asyncio import timeout\n")
    for _ in range(2):
        with launcher(
            folder / "data",
            interpreter=usable[0],
            path=folder,
            user="nobody",
            group=nobody.pw_gid,
            extra_groups=[],
        ) as launched:
            assert launched.uid == nobody.pw_uid
            assert owner(launched.postgres_pid) == nobody.pw_uid
            assert await answers(launched.database_url)


@pytest.fixture
def closed_folder(open_folder: Path, request: pytest.FixtureRequest) -> Path:
    folder = open_folder / f"closed-{abs(hash(request.node.name))}"
    folder.mkdir(mode=0o700)
    return folder


async def test_below_a_closed_folder_the_data_go_to_the_system_state(closed_folder: Path, open_folder: Path) -> None:
    state = open_folder / f"state-of-{closed_folder.name}"
    asked = closed_folder / "data"
    for _ in range(2):
        servers = EmbeddedServers(asked, system_state=state)
        await servers.start()
        try:
            assert await answers(servers.database_url)
        finally:
            await servers.stop()
    assert stat.S_IMODE(closed_folder.stat().st_mode) == 0o700
    (elsewhere,) = state.iterdir()
    assert (elsewhere / "postgres" / "PG_VERSION").exists()
    assert (asked / "servers-are-in").read_text().strip() == str(elsewhere)
    assert (asked / "postgres.password").exists()


def test_when_the_system_state_is_closed_too_it_is_refused(closed_folder: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="can reach neither"):
        EmbeddedServers(closed_folder / "data", system_state=closed_folder / "state")
    assert stat.S_IMODE(closed_folder.stat().st_mode) == 0o700


async def test_programs_in_a_closed_folder_are_copied_not_opened_up(
    closed_folder: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = find_postgres(None).folder
    package = programs.parent.parent
    shutil.copytree(programs.parent, closed_folder / package.name / programs.parent.name, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed_folder / libraries.name)
    shutil.copy(find_valkey(), closed_folder / "valkey-server")
    monkeypatch.setenv("MLC_POSTGRES_BIN", str(closed_folder / package.name / programs.parent.name / "bin"))
    monkeypatch.setenv("MLC_VALKEY_BIN", str(closed_folder))
    data = open_folder / "with-copied-programs"
    async with embedded_servers(data) as servers:
        assert await answers(servers.database_url)
        assert servers.postgres is not None
        running = Path(f"/proc/{servers.postgres.pid}/exe").resolve()
    assert running.is_relative_to(data / "programs")
    assert stat.S_IMODE(closed_folder.stat().st_mode) == 0o700


async def test_programs_without_their_executable_bit_are_copied(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = open_folder / "valkey-not-executable"
    shutil.copyfile(find_valkey(), program)
    program.chmod(0o644)
    monkeypatch.setenv("MLC_VALKEY_BIN", str(program))
    async with embedded_servers(open_folder / "bits", database_url="postgresql://there/x") as servers:
        assert servers.valkey is not None
        assert Path(f"/proc/{servers.valkey.pid}/exe").resolve().is_relative_to(open_folder / "bits" / "programs")
