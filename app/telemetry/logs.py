"""Logs without secrets or personal data."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.telemetry.tracing import add_trace_ids

# Each pair: what must not be written, and what is written instead.
_REDACTIONS = (
    (re.compile(r"mlc_[A-Za-z0-9]{4,40}_[A-Za-z0-9_-]+"), "mlc_[redacted]"),
    (re.compile(r"\b[0-9a-fA-F]{32}-[a-z]{2,}[0-9]+\b"), "[redacted]"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), "[redacted]"),
    (re.compile(r"(?i)\b(bearer|basic|oauth)\s+[A-Za-z0-9._~+/=-]{6,}"), r"\1 [redacted]"),
    (re.compile(r"(?i)(/hooks/[a-z]+/)[^\s/?#\"']+"), r"\1[redacted]"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@\"']+@"), r"\1[redacted]@"),
    (
        re.compile(
            r"(?i)\b((?:access_|refresh_|id_)?token|(?:client_)?secret|password|passwd|api_?key|apikey|state|"
            r"(?:authori[sz]ation_?)?code|assertion)=[^\s&\"']+"
        ),
        r"\1=[redacted]",
    ),
    (re.compile(r"[^\s@<>\"'(),:;=]{1,64}@[^\s@<>\"'(),:;=]{1,190}\.[^\s@<>\"'(),:;=.]{2,}"), "[address]"),
)
_SECRET_NAMES = re.compile(r"(?i)(password|passwd|secret|token|credential|api_?key|authorization|cookie|email|payload)")
_QUIET = ("httpx", "httpcore", "hpack", "uvicorn.access", "arq", "arq.worker", "arq.connections", "asyncio", "asyncpg")


def redact(text: str) -> str:
    """`text` without addresses, keys, tokens, secret paths and passwords in URLs."""
    for pattern, instead in _REDACTIONS:
        text = pattern.sub(instead, text)
    return text


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that every line passes just before it is written."""
    return {key: _clean(key, value) for key, value in event.items()}


def _clean(key: str, value: object) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(key, str) and _SECRET_NAMES.search(key):
        return "[redacted]"
    if isinstance(value, Mapping):
        return {str(name): _clean(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item) for item in value]
    return redact(value if isinstance(value, str) else str(value))


def set_up_logging(log_format: str = "json", level: int = logging.INFO) -> None:
    """Send structlog and the standard library's loggers through the same processors to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # plain traces: no local variables
    ]
    if log_format == "json":
        renderer: Processor = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact_event, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    silence_chatty_loggers()


def silence_chatty_loggers() -> None:
    """httpx writes whole query strings, uvicorn.access secret paths, arq job arguments: only their warnings pass."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
