"""A tenant as a file."""

from typing import Any

from app.cli.config.connections import exported_connection
from app.cli.config.mappings import exported_mapping
from app.cli.config.present import Present
from app.cli.config.syncs import exported_sync
from app.cli.config.wanted import FORMAT
from app.cli.config.writing import write_yaml

_HEAD = """\
# Connections, mappings and syncs of one tenant. `ml-connector config diff` compares, `config apply` changes.
# No secret is in here: a connection that exists keeps its own. To make it elsewhere, add to it, for example,
#   credential: {from_env: {client_secret: X3_SECRET}}
"""


def exported(present: Present) -> str:
    """The file that says what is there."""
    return _HEAD + write_yaml(exported_content(present))


def exported_content(present: Present) -> dict[str, Any]:
    """The same as plain data."""
    of = present.of
    return {
        "format": FORMAT,
        "connections": {name: exported_connection(thing.body) for name, thing in of["connections"].items()},
        "mappings": {name: exported_mapping(thing.body) for name, thing in of["mappings"].items()},
        "syncs": {name: exported_sync(thing.body, present) for name, thing in of["syncs"].items()},
    }
