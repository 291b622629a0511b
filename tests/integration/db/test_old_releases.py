"""The release before runs with the newer schema: migrations only add, and what they add asks nothing of old code."""

import asyncio
from typing import NamedTuple

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory

from app.db.migrating import configured

pytestmark = pytest.mark.integration

LEFT_OUT: frozenset[str] = frozenset()
"""Revisions that take away what the release before does not read any more; each needs a line in the changelog."""


class Column(NamedTuple):
    kind: str
    required: bool  # an INSERT that does not know it would fail


Shape = dict[tuple[str, str], Column]


async def shape(url: str) -> tuple[Shape, set[str]]:
    """Every column of every table, and what roles may do with the tables."""
    connection = await asyncpg.connect(url)
    try:
        columns = await connection.fetch(
            "select table_name, column_name, data_type, is_nullable = 'NO' and column_default is null"
            " and is_identity = 'NO' and is_generated = 'NEVER' as required"
            " from information_schema.columns where table_schema = 'public'"
        )
        grants = await connection.fetch(
            "select grantee || ' ' || privilege_type || ' ' || table_name as it"
            " from information_schema.role_table_grants where grantee like 'mlc_%'"
        )
    finally:
        await connection.close()
    found = {(row[0], row[1]): Column(row[2], row[3]) for row in columns if row[0] != "alembic_version"}
    return found, {row["it"] for row in grants}


def revisions() -> list[str]:
    script = ScriptDirectory.from_config(configured())
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


async def test_an_older_release_finds_what_it_knew_and_can_write_what_it_wrote(empty_database_url: str) -> None:

    known = revisions()
    config, before, rights = configured(empty_database_url), Shape(), set[str]()
    for revision in known:
        await asyncio.to_thread(command.upgrade, config, revision)
        after, allowed = await shape(empty_database_url)
        if revision not in LEFT_OUT:
            gone = [name for name in before if name not in after or after[name].kind != before[name].kind]
            tables = {table for table, _ in before}
            asked = [name for name in after if name[0] in tables and name not in before and after[name].required]
            stricter = [name for name in before if name in after and after[name].required > before[name].required]
            assert gone == [], f"{revision} takes away or changes what the code before reads"
            assert asked == [], f"{revision} asks the code before for what it does not know"
            assert stricter == [], f"{revision} refuses what the code before writes"
            assert rights - allowed == set(), f"{revision} takes rights away from the code before"
        before, rights = after, allowed
    assert len(before) > 100
