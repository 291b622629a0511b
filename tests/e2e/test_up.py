"""`ml-connector up`: the whole product under one process, started, hurt and stopped as an operator would."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.cli.supervising import RunningSystem, SystemNotRunning, running_system
from app.embedded.process import is_running
from tests.fixtures.settings import MASTER_KEY, OPERATOR_KEY

pytestmark = pytest.mark.e2e

TENANT = {"slug": "acme", "name": "Acme", "time_zone": "Europe/Paris"}


@pytest.fixture
def data_dir(open_folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of the test's own; no setting comes from elsewhere."""
    for name in list(os.environ):
        if name.startswith("MLC_") and not name.startswith("MLC_TEST_"):
            monkeypatch.delenv(name)
    folder = open_folder / f"up-{abs(hash(request.node.nodeid))}"
    folder.mkdir(mode=0o711)
    monkeypatch.chdir(folder)
    return folder / "data"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def gone(pid: int) -> bool:
    for _ in range(1200):
        if not is_running(pid):
            return True
        await asyncio.sleep(0.05)
    return False


async def tenants_of(system: RunningSystem) -> list[str]:
    headers = {"Authorization": f"Bearer {system.operator_key}"}
    async with httpx.AsyncClient(base_url=system.api_url, headers=headers, trust_env=False) as client:
        answer = await client.get("/v1/tenants")
        assert answer.status_code == 200, answer.text
        return [tenant["slug"] for tenant in answer.json()["items"]]


async def add_tenant(system: RunningSystem) -> None:
    headers = {"Authorization": f"Bearer {system.operator_key}"}
    async with httpx.AsyncClient(base_url=system.api_url, headers=headers, trust_env=False) as client:
        assert (await client.post("/v1/tenants", json=TENANT)).status_code == 201


async def test_data_and_keys_are_kept_over_a_restart(data_dir: Path) -> None:
    async with running_system(data_dir, port=0, logs_to_files=True) as first:
        await add_tenant(first)
        pids = [process.pid for process in first.processes.values()]
    assert [is_running(pid) for pid in pids] == [False, False]
    async with running_system(data_dir, port=0, logs_to_files=True) as second:
        assert await tenants_of(second) == ["acme"]
        assert second.operator_key == first.operator_key
    for name in ("operator.key", "master.keys", "postgres.password", "valkey.password", "api.log"):
        assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600


async def test_given_servers_and_keys_are_used_and_nothing_is_embedded(
    data_dir: Path, empty_database_url: str, redis_url: str
) -> None:
    given = {
        "MLC_DATABASE_URL": empty_database_url,
        "MLC_REDIS_URL": redis_url,
        "MLC_OPERATOR_KEY": OPERATOR_KEY,
        "MLC_MASTER_KEYS": MASTER_KEY,
    }
    async with running_system(data_dir, port=0, logs_to_files=True, extra_env=given) as system:
        assert system.operator_key == OPERATOR_KEY
        assert await tenants_of(system) == []
    assert {path.name for path in data_dir.iterdir()} == {"api.log", "worker-1.log"}


async def test_a_killed_process_comes_back(data_dir: Path) -> None:
    async with running_system(data_dir, port=0, logs_to_files=True) as system:
        await add_tenant(system)
        before = {name: process.pid for name, process in system.processes.items()}
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        for _ in range(600):
            await asyncio.sleep(0.1)
            try:
                if await tenants_of(system) == ["acme"] and not system.processes["worker-1"].ended():
                    break
            except httpx.TransportError:
                continue
        assert await tenants_of(system) == ["acme"]
        assert not {process.pid for process in system.processes.values()} & set(before.values())


async def test_a_port_in_use_is_refused_before_anything_is_started(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemNotRunning, match="Choose another with --port"):
            async with running_system(data_dir, port=taken.getsockname()[1]):
                pass
    assert not (data_dir / "postgres").exists()


async def test_a_start_that_fails_says_why_and_leaves_nothing_running(data_dir: Path) -> None:
    with pytest.raises(SystemNotRunning, match="MLC_MASTER_KEYS"):
        async with running_system(data_dir, port=0, logs_to_files=True, extra_env={"MLC_MASTER_KEYS": "bad:key"}):
            pass


@pytest.fixture
def up(data_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command itself; its output comes line by line."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "app.cli.main", "up", "--data-dir", str(data_dir), "--port", str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield process
    process.kill()
    process.communicate(timeout=60)


def line_with(process: "subprocess.Popen[str]", words: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line.strip()
    raise AssertionError(f"it ended without saying {words!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_command_cleanly(
    up: "subprocess.Popen[str]", data_dir: Path, number: signal.Signals
) -> None:
    url = line_with(up, "answers at").split()[-1]
    key_file = line_with(up, "operator key").split()[-1]
    assert Path(key_file) == data_dir / "operator.key"
    assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200

    up.send_signal(number)

    assert up.wait(timeout=60) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz", trust_env=False)
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


SCRIPT = """
    import asyncio, json, sys
    from pathlib import Path
    from app.cli.supervising import running_system

    async def main():
        async with running_system(Path(sys.argv[1]), port=0, logs_to_files=True) as system:
            print("pids", json.dumps([process.pid for process in system.processes.values()]), flush=True)
            await system.wait()

    asyncio.run(main())
"""


async def test_everything_ends_when_the_supervisor_is_killed(data_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    pids: list[int] = json.loads(line_with(process, "pids").partition(" ")[2])
    pids.append(int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0]))

    process.kill()

    process.communicate()
    assert [await gone(pid) for pid in pids] == [True, True, True]


def test_a_production_process_without_settings_ends_with_sentences_and_code_two(data_dir: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "app.cli.main", "api"], capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.returncode == 2
    assert "MLC_DATABASE_URL: is not set\n" in ended.stderr
    assert "Traceback" not in ended.stderr
