"""Real PostgreSQL and Valkey servers of our own, for `up`, `demo` and the tests."""

from app.embedded.errors import EmbeddedServerError
from app.embedded.servers import EmbeddedServers, embedded_servers

__all__ = ["EmbeddedServerError", "EmbeddedServers", "embedded_servers"]
