"""What operators see of the product: logs, metrics, traces. Never an address, a name, a token or a secret path."""

from app.telemetry.logs import redact, set_up_logging

__all__ = ["redact", "set_up_logging"]
