"""What columns.py joins, Postgres takes apart again."""

import asyncpg
import pytest

from app.db.columns import blob_column, blobs, text_column, texts

pytestmark = pytest.mark.integration

NAMES = ["plain", None, "Zażółć, \"quoted\" \\ and 'quoted'", "x" * 300, "last"]
HASHES = [bytes([place]) * 16 if place else None for place in range(5)]


async def test_every_value_comes_back_in_its_place(database_url: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    try:
        rows = await connection.fetch(
            f"select e.name, {blob_column(2, 16)} as hash from unnest({text_column(1)}) with ordinality as e(name, n)",
            texts(NAMES),
            blobs(HASHES, 16),
        )
    finally:
        await connection.close()

    assert [row["name"] for row in rows] == NAMES
    assert [row["hash"] for row in rows] == HASHES
