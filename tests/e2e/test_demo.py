"""`ml-connector demo` as a process: told to its end, spoilt, interrupted, left running."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.e2e

SMALL = ("--customers", "200", "--suppliers", "30", "--invoices", "60")
PATIENCE_SECONDS = 240.0  # the machine may be busy with other tests
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home(open_folder: Path, request: pytest.FixtureRequest) -> Path:
    """Where the demo puts its folder, and where it is called from; a `.env` there must not count."""
    folder = open_folder / f"demo-{abs(hash(request.node.nodeid))}"
    folder.mkdir(mode=0o711)
    (folder / ".env").write_text("MLC_DATABASE_URL=postgresql://nobody@127.0.0.1:1/none\nMLC_OPERATOR_KEY=x\n")
    return folder


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Starts the demo; whatever is still running afterwards is ended."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "app.cli.main", "demo", *SMALL, *arguments],
            cwd=home,
            env={**os.environ, "TMPDIR": str(home), "MLC_REDIS_URL": "redis://127.0.0.1:1/0", "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)


def test_the_story_is_told_and_every_claim_is_true(start: Start, home: Path) -> None:
    process = start()
    told = process.communicate(timeout=PATIENCE_SECONDS)[0]

    assert process.returncode == 0, told
    assert re.search(r"\nAll [3-9]\d claims are true\.\n$", told)
    assert "✗" not in told
    assert [character for character in told if not character.isprintable() and character != "\n"] == []
    assert "DEMO-BAD waits: " in told
    assert_nothing_is_left(home)


def test_a_claim_that_somebody_else_makes_false_ends_it_with_one(start: Start, home: Path) -> None:
    process = start()
    x3, mailchimp = addresses(process, home)
    with httpx.Client(base_url=mailchimp["url"], trust_env=False) as client:
        email = someone(client, mailchimp["lists"][0], x3["url"])
        changed = client.post("/_sandbox/profile", json={"email": email, "merge_fields": {"COMPANY": "SOMETHING ELSE"}})
        assert changed.status_code == 200, changed.text

    told = process.communicate(timeout=PATIENCE_SECONDS)[0]

    assert process.returncode == 1, told
    assert re.search(r"\d+ of \d+ claims (is|are) false\.", told)
    assert f"The books, … saying what Sage X3 says: 1 missing ({email}), 0 too many." in told
    (folder,) = home.glob("ml-connector-demo-*")
    assert f"Its logs are in {folder}" in told
    assert {path.name for path in folder.iterdir()} >= {"api.log", "worker-1.log", "sandbox.log"}
    assert not (folder / "data").exists()
    assert processes_of(home) == []


def test_an_interrupted_story_leaves_nothing_and_proves_nothing(start: Start, home: Path) -> None:
    process = start()
    line_with(process, "Customers")

    process.send_signal(signal.SIGINT)

    told = process.communicate(timeout=PATIENCE_SECONDS)[0]
    assert process.returncode == 130, told
    assert "Interrupted before everything was shown" in told
    assert "Traceback" not in told
    assert_nothing_is_left(home)


def test_what_is_kept_answers_and_can_be_played_with(start: Start, home: Path) -> None:
    process = start("--keep")
    url = line_with(process, "The API answers at").split("answers at ")[1].split()[0]
    change, carry, look = (line_with(process, words).strip() for words in ("curl", "runs start", "curl"))
    assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    x3, body = shlex.split(change)[1], shlex.split(change)[3]
    httpx.post(x3, content=body, trust_env=False).raise_for_status()
    program = Path(sys.executable).parent
    path = f"{program}{os.pathsep}{os.environ['PATH']}"

    carried = subprocess.run(
        carry, shell=True, cwd=home, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120
    )

    assert carried.returncode == 0, carried.stderr + carried.stdout
    members = httpx.get(shlex.split(look)[1], trust_env=False).text.splitlines()
    name = json.loads(body)["name"]
    assert [json.loads(line)["merge_fields"]["COMPANY"] for line in members].count(name) == 1
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=PATIENCE_SECONDS)[0]
    assert process.returncode == 0, told
    assert processes_of(home) == []
    (folder,) = home.glob("ml-connector-demo-*")
    assert (folder / "data" / "operator.key").exists()


def line_with(process: "subprocess.Popen[str]", words: str) -> str:
    """The next line of the story that holds these words."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if words in line:
            return line
    raise AssertionError(f"it ended without saying {words!r}:\n{''.join(seen)}")


def addresses(process: "subprocess.Popen[str]", home: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where both stand-ins are, once the customers are being carried."""
    line_with(process, "Suppliers")
    (log,) = home.glob("ml-connector-demo-*/sandbox.log")
    found = json.loads(log.read_text().splitlines()[0])
    return found["x3"], found["mailchimp"]


def someone(mailchimp: httpx.Client, list_id: str, x3_url: str) -> str:
    """The last member of whom no act of the story makes use: a customer alone, with an address of its own."""
    rows = [json.loads(line) for line in httpx.get(f"{x3_url}/_sandbox/export?stream=customers").text.splitlines()]
    alone = {row["code"] for row in rows[100:] if not row["is_supplier"] and row["is_active"]}
    lines = mailchimp.get("/_sandbox/members", params={"list": list_id}).text.splitlines()
    members = [json.loads(line) for line in lines]
    fit = [member["email"] for member in members if member["merge_fields"].get("X3CODE") in alone]
    return str(fit[-1]).lower()


def assert_nothing_is_left(home: Path) -> None:
    assert processes_of(home) == []
    assert [path.name for path in home.iterdir()] == [".env"]


def processes_of(home: Path) -> list[str]:
    """Processes started with our TMPDIR that still run; those that are ending get a moment."""
    mark, found = f"TMPDIR={home}\0".encode(), [""]
    deadline = time.monotonic() + 10
    while found and time.monotonic() < deadline:
        found = [str(path.parent) for path in Path("/proc").glob("[0-9]*/environ") if mark in readable(path)]
        time.sleep(0.1 if found else 0)
    return found


def readable(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
