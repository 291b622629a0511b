"""Traces to an OpenTelemetry collector: API call, job, vendor call, in W3C's words. Nothing happens until set up.

Spans carry ids, words of ours and route templates, as metrics do: no address, no name, no path with a secret in it,
no exception's message. The tracer is ours alone, never the process's global one, so that no library adds spans that
hold URLs. Vendors are not sent our trace ids.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from structlog.typing import EventDict, WrappedLogger

from app import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None

Attributes = Mapping[str, str | int | float | bool]
_FAILED_CALLS = ("timeout", "unreachable", "broken", "blocked")


def set_up_tracing(endpoint: str | None, process: str, exporter: "SpanExporter | None" = None) -> None:
    """Send spans to `endpoint` (OTLP over HTTP, `/v1/traces` is added); None: send none.

    Sampling, headers and further attributes: the OTEL_ variables of the SDK. Needs the extra `otel`, which the
    settings have looked for.
    """
    global _provider, _tracer
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": f"ml-connector-{process}", "service.version": __version__})
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = exporter or OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    _provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=2000))
    _tracer = _provider.get_tracer("ml-connector", __version__)


def end_tracing() -> None:
    """Send what is left and stop; waits a few seconds at most."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        provider.shutdown()


def is_tracing() -> bool:
    """Whether spans go anywhere."""
    return _tracer is not None


class Noted(Protocol):
    """What a piece of work may add to its span."""

    def rename(self, name: str) -> None: ...
    def note(self, **attributes: str | int | float | bool) -> None: ...
    def fail(self, word: str) -> None: ...


class _Silent:
    def rename(self, name: str) -> None: ...
    def note(self, **attributes: str | int | float | bool) -> None: ...
    def fail(self, word: str) -> None: ...


class _Open:
    def __init__(self, span: "Span") -> None:
        self._span = span

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, **attributes: str | int | float | bool) -> None:
        self._span.set_attributes({name.replace("__", "."): value for name, value in attributes.items()})

    def fail(self, word: str) -> None:
        """`word` is one of ours: what an exception says may hold personal data."""
        from opentelemetry.trace import Status, StatusCode

        self._span.set_status(Status(StatusCode.ERROR, word))


SILENT = _Silent()


@contextmanager
def span(name: str, kind: str, parent: str | None = None, attributes: Attributes | None = None) -> Iterator[Noted]:
    """A span around the block; `kind` is server or consumer, `parent` a W3C traceparent from outside.

    An error that leaves the block fails the span by the error's class only.
    """
    if _tracer is None:
        yield SILENT
        return
    from opentelemetry.trace import SpanKind, use_span

    opened = _tracer.start_span(
        name, context=_context(parent), kind=SpanKind[kind.upper()], attributes=dict(attributes or {})
    )
    noted = _Open(opened)
    with use_span(opened, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield noted
        except BaseException as error:
            noted.fail(type(error).__name__)
            raise


def watch_call(vendor: str, method: str, route: str) -> Callable[[str], None] | None:
    """Begin the span of a vendor's call; the answer ends it with the call's outcome. None when nothing is traced."""
    if _tracer is None:
        return None
    from opentelemetry.trace import SpanKind, Status, StatusCode

    opened = _tracer.start_span(
        f"{method} {vendor}{route}",
        kind=SpanKind.CLIENT,
        attributes={"mlc.vendor": vendor, "http.request.method": method, "url.template": route},
    )

    def ended(outcome: str) -> None:
        status = int(outcome) if outcome.isdecimal() else 0
        if status:
            opened.set_attribute("http.response.status_code", status)
        if status >= 500 or outcome in _FAILED_CALLS:
            opened.set_status(Status(StatusCode.ERROR, outcome))
        opened.set_attribute("mlc.outcome", outcome)
        opened.end()

    return ended


def traceparent() -> str | None:
    """W3C's name for where we are, to be handed on with a job; None when nothing is traced."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def _context(parent: str | None) -> "Context":
    from opentelemetry.context import get_current
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    here = get_current()
    return TraceContextTextMapPropagator().extract({"traceparent": parent}, context=here) if parent else here


def add_trace_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: log lines name their trace, so that one leads to the other."""
    if _tracer is not None:
        from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

        context = get_current_span().get_span_context()
        if context.is_valid:
            event.setdefault("trace_id", format_trace_id(context.trace_id))
            event.setdefault("span_id", format_span_id(context.span_id))
    return event
