"""Fixtures for every test, one file per kind in tests/fixtures."""

pytest_plugins = [
    "tests.fixtures.authorities",
    "tests.fixtures.servers",
    "tests.fixtures.database",
    "tests.fixtures.settings",
    "tests.fixtures.site",
]
