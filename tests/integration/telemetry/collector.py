"""A small OpenTelemetry collector over HTTP: keeps the spans that were sent to it."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.types import Receive, Scope, Send

from tests.integration.telemetry.test_listening import free_port


class Span:
    """One span as it arrived."""

    def __init__(self, process: str, raw: Any) -> None:
        self.process = process
        self.name: str = raw.name
        self.kind = raw.kind
        self.trace_id = raw.trace_id.hex()
        self.span_id = raw.span_id.hex()
        self.parent_id = raw.parent_span_id.hex()
        self.failed = raw.status.code == 2
        self.events = len(raw.events)
        self.attributes = {pair.key: _value(pair.value) for pair in raw.attributes}


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


class Collector:
    """An ASGI application at `/v1/traces`."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.raw: list[bytes] = []
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if dict(scope["headers"]).get(b"content-encoding") == b"gzip":
            body = gzip.decompress(body)
        found = scope["path"] == "/v1/traces"
        if found:
            self.take(body)
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def take(self, body: bytes) -> None:
        self.raw.append(body)
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            process = next(p.value.string_value for p in resource.resource.attributes if p.key == "service.name")
            self.spans += [Span(process, span) for scope in resource.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector that listens while the block runs."""
    import asyncio

    collector = Collector()
    config = uvicorn.Config(collector, host="127.0.0.1", port=free_port(), lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign]  # pytest keeps its own
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    collector.url = f"http://127.0.0.1:{config.port}"
    try:
        yield collector
    finally:
        server.should_exit = True
        await task


class _no_signals:  # noqa: N801  # stands in for a context manager function
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
