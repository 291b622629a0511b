"""What `ml-connector keys rotate` does: data keys under another master key, what they seal untouched."""

from pathlib import Path
from uuid import UUID

from app.cli.configuration import database_url
from app.cli.kept import MASTER_KEYS_FILE, Given, add_master_key, revealed
from app.cli.output import USAGE, fail
from app.connections.vault import Vault
from app.db.engine import Database, open_database
from app.embedded import embedded_servers

PAGE = 100


async def rotate_given() -> int:
    """Rotate in the database and under the keyring of the settings; how many keys were wrapped again."""
    keyring = revealed(Given().master_keys)
    if not keyring:
        fail("MLC_MASTER_KEYS: is not set", code=USAGE)
    return await _rotate(database_url(), keyring)


async def rotate_kept(data_dir: Path) -> int:
    """Make a new master key in the data directory of an `up` that is stopped, and rotate."""
    given = Given()
    if not (data_dir / MASTER_KEYS_FILE).exists():
        fail(f"There is no {MASTER_KEYS_FILE} in {data_dir}.", code=USAGE)
    async with embedded_servers(data_dir, database_url=revealed(given.database_url), redis_url="none") as servers:
        return await _rotate(servers.database_url.replace("+asyncpg", "", 1), add_master_key(data_dir))


async def _rotate(url: str, keyring: str) -> int:
    database = await open_database(url, hot_connections=1, api_connections=1)
    try:
        return await rewrap_all(database, Vault(keyring))
    finally:
        await database.close()


async def rewrap_all(database: Database, vault: Vault) -> int:
    """Wrap every data key that is not under the active master key; how many those were.

    A page of rows per transaction, each locked only while it is replaced. What the data keys
    seal is not touched, and an interrupted rotation goes on where it stopped.

    Raises:
        UnknownKey: a tenant's key is under a master key that the ring does not hold.
    """
    wrapped = 0
    while True:
        async with database.system() as connection:
            rows = await connection.fetch(
                "select id, data_key, data_key_id from tenant where data_key_id <> $1 limit $2 for update",
                vault.active_key_id,
                PAGE,
            )
            for row in rows:
                tenant_id = UUID(bytes=row["id"].bytes)
                data_key, key_id = vault.rewrap(tenant_id, row["data_key"], row["data_key_id"])
                await connection.execute(
                    "update tenant set data_key = $2, data_key_id = $3 where id = $1", tenant_id, data_key, key_id
                )
        wrapped += len(rows)
        if len(rows) < PAGE:
            return wrapped
