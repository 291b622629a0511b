"""Fixtures for every test, one file per kind in tests/fixtures; and the order they run in."""

from pathlib import Path

import pytest

LEVELS = ("e2e", "integration", "contract", "unit")
LONG = ("demo", "tutorial", "console", "killing", "canaries", "webhooks_under_fire", "up")

pytest_plugins = [
    "tests.fixtures.authorities",
    "tests.fixtures.servers",
    "tests.fixtures.database",
    "tests.fixtures.settings",
    "tests.fixtures.site",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits most comes first, so that several processes end together."""
    items.sort(key=lambda item: _place(item.path))


def _place(path: Path) -> tuple[int, int]:
    level = path.relative_to(Path(__file__).parent).parts[0]
    name = path.stem.removeprefix("test_")
    return (
        LEVELS.index(level) if level in LEVELS else len(LEVELS),
        next((number for number, long in enumerate(LONG) if name.startswith(long)), len(LONG)),
    )
