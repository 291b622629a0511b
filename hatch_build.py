"""Puts the migrations inside the package of a wheel; an editable install finds them in the checkout instead."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MigrationsInside(BuildHookInterface[Any]):
    """`app.db.migrating.migrations_path()` looks in both places."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """`version` is "standard" for a wheel to ship and "editable" for `pip install -e`."""
        if version == "standard":
            build_data["force_include"]["alembic"] = "app/db/_migrations"
