"""The command line against the whole API on a socket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from app.cli import output
from app.cli.main import app
from app.resources import Resources
from tests.fixtures.application import application_of
from tests.fixtures.settings import OPERATOR_KEY
from tests.integration.api.conftest import Api, api, resources

__all__ = ["api", "resources"]


class Shell:
    """Runs commands with an operator key; beside `api`, which is the same application without a socket."""

    def __init__(self, url: str, api: Api) -> None:
        self.url = url
        self.api = api

    async def run(self, *words: str, typed: str | None = None, **env: str) -> Result:
        """What became of one command; the API answers meanwhile."""
        surroundings = {"MLC_URL": self.url, "MLC_KEY": OPERATOR_KEY, "COLUMNS": "200", **env}
        output.console.width = 200  # it was made when its module was imported, by whichever test came first
        return await asyncio.to_thread(CliRunner().invoke, app, list(words), input=typed, env=surroundings)

    async def ok(self, *words: str, **given: Any) -> str:
        """The output of a command that must succeed."""
        result = await self.run(*words, **given)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture
async def shell(api: Api, resources: Resources) -> AsyncIterator[Shell]:
    config = uvicorn.Config(application_of(resources), port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with capture_logs():  # the API would write where the command's output is looked for
        yield Shell(f"http://127.0.0.1:{port}", api)
    server.should_exit = True
    await serving
