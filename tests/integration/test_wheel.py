"""What `pip install` of the product brings can migrate a database, without a checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import asyncpg
import pytest

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this checkout, unpacked as pip would."""
    built, unpacked = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("unpacked")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    return unpacked


async def test_an_installed_wheel_migrates_a_database(unpacked_wheel: Path, empty_database_url: str) -> None:
    script = "import app.cli.main as m; print(m.__file__); m.app(['migrate'])"
    result = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=unpacked_wheel.parent,
        env={**os.environ, "PYTHONPATH": str(unpacked_wheel), "MLC_DATABASE_URL": empty_database_url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.splitlines()[0]).is_relative_to(unpacked_wheel)
    connection = await asyncpg.connect(empty_database_url)
    try:
        assert await connection.fetchval("select count(*) from alembic_version") == 1
        assert await connection.fetchval("select count(*) from tenant") == 0
    finally:
        await connection.close()


def test_a_checkout_uses_its_own_migrations() -> None:
    from app.db.migrating import migrations_path

    assert migrations_path() == CHECKOUT / "alembic"


def test_a_wheel_holds_the_sandbox_and_no_tests(unpacked_wheel: Path) -> None:
    there = {path.name for path in unpacked_wheel.iterdir()}

    assert {"app", "workers", "sandbox"} <= there
    assert not there & {"tests", "bench", "docs"}


def test_a_wheel_holds_every_page_and_asset_of_the_console(unpacked_wheel: Path) -> None:
    console = CHECKOUT / "app" / "console"
    wanted = {path.relative_to(CHECKOUT) for folder in ("templates", "assets") for path in (console / folder).iterdir()}

    assert len(wanted) > 40
    assert [str(path) for path in wanted if not (unpacked_wheel / path).is_file()] == []
