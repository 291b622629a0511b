"""Run the migrations from code, in this process."""

from pathlib import Path

from alembic import command
from alembic.config import Config

HEAD = "head"


def migrations_path() -> Path:
    """The alembic folder: beside the package in a checkout, inside it in a wheel."""
    inside = Path(__file__).parent / "_migrations"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "alembic"


def configured(database_url: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_path()))
    if database_url:
        config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str) -> None:
    """Bring the database at `database_url` (postgresql://) to the newest schema. Blocks; runs its own event loop."""
    command.upgrade(configured(database_url), HEAD)
