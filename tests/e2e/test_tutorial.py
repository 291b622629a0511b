"""docs/tutorial.md, followed to the letter: every command is run as it stands, every output compared with the page.

Only the three ports are exchanged for free ones, and the first command, which makes the environment this test is run
from, is left out.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.test_up import free_port

pytestmark = pytest.mark.e2e

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "tutorial.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLED = "python3 dev.py install\n"
PORTS = ("8080", "8124", "8125")
MARK = "~~~ end of block"
MOST_SECONDS = 300


class Block(NamedTuple):
    """Commands as the page has them, and the lines of their output that it shows."""

    commands: str
    shown: tuple[str, ...]


def blocks(page: str) -> list[Block]:
    """Each `sh` block with the `text` block that follows it, if one does before the next."""
    found: list[Block] = []
    for language, body in FENCE.findall(page):
        if language == "sh":
            found.append(Block(body, ()))
        else:
            found[-1] = Block(found[-1].commands, tuple(body.splitlines()))
    return found


def is_shown(line: str, output: str) -> bool:
    """Whether the output has this line of the page; `…` stands for anything on one line, blanks for any blanks."""
    parts = (re.escape(" ".join(part.split())) for part in line.split("…"))
    return re.search(".*?".join(parts), output) is not None


def flattened(output: str) -> str:
    """The output without the frames of tables, and with single blanks."""
    return "\n".join(" ".join(line.replace("│", " ").split()) for line in output.splitlines())


def script(page: str, ports: dict[str, int]) -> str:
    """All commands of the page as one script that stops at the first that fails."""
    text = "set -e\ntrap 'kill ${PRODUCT-} ${SANDBOX-} 2> /dev/null || true' EXIT\n"
    for block in blocks(page):
        text += block.commands.replace(INSTALLED, "") + f"echo; echo '{MARK}'\n"
    return re.sub(rf"\b({'|'.join(ports)})\b", lambda found: str(ports[found[1]]), text)


def followed(folder: Path) -> tuple[int, list[str], str]:
    """Follow the page in a folder; exit code, output of each block, and what went to standard error."""
    (folder / ".venv").symlink_to(sys.prefix)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLC_")}
    process = subprocess.Popen(
        ["bash", "-c", script(PAGE, {port: free_port() for port in PORTS})],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    return process.returncode, flattened(output).split(MARK), errors


def log_of(folder: Path) -> str:
    """The end of what the product said."""
    log = folder / "up.log"
    return log.read_text(encoding="utf-8")[-3000:] if log.exists() else ""


def test_every_command_works_and_says_what_the_page_shows(open_folder: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the page needs curl")
    folder = open_folder / "tutorial"
    folder.mkdir(mode=0o711)

    code, outputs, errors = followed(folder)

    told = blocks(PAGE)
    assert code == 0, (
        f"block {len(outputs)}: {told[len(outputs) - 1].commands}\n{outputs[-1]}\n{errors[-2000:]}\n{log_of(folder)}"
    )
    assert len(outputs) == len(told) + 1
    missing = [
        line for block, output in zip(told, outputs, strict=False) for line in block.shown if not is_shown(line, output)
    ]
    assert missing == [], "\n".join(outputs)


def test_a_line_that_is_not_said_is_noticed() -> None:
    output = flattened("│ counts   │ read 200, created 199 │\n")

    assert is_shown("counts … created 199", output)
    assert not is_shown("counts … created 200", output)
    assert not is_shown("counts … rejected", output)
