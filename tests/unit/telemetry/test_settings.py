"""What the settings of metrics and traces refuse, and how they say it."""

from importlib.util import find_spec

import pytest
from pydantic import ValidationError

from app.settings import Settings
from tests.fixtures.settings import MASTER_KEY, OPERATOR_KEY

NEEDED = {
    "database_url": "postgresql://x",
    "redis_url": "redis://x",
    "operator_key": OPERATOR_KEY,
    "master_keys": MASTER_KEY,
}


def settings(**given: str) -> Settings:
    return Settings.model_validate({**NEEDED, **given})


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        (":9090", ("", 9090)),
        ("127.0.0.1:9090", ("127.0.0.1", 9090)),
        ("[::1]:9090", ("::1", 9090)),
        ("metrics.local:1", ("metrics.local", 1)),
    ],
)
def test_an_address_of_the_metrics_is_read(listen: str, address: tuple[str, int] | None) -> None:
    assert settings(metrics_listen=listen).metrics_address == address


@pytest.mark.parametrize("listen", ["9090", "host:", "host:port", "a b:9090", "http://host:9090"])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ValidationError, match="host:port"):
        settings(metrics_listen=listen)


def test_traces_without_their_extra_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        return None if name == "opentelemetry.sdk" else find_spec(name)

    monkeypatch.setattr("app.settings.find_spec", missing)

    with pytest.raises(ValidationError, match=r"pip install 'ml-connector\[otel\]'"):
        settings(otel_exporter_otlp_endpoint="http://collector:4318")


def test_a_collector_needs_a_whole_address_and_none_is_none() -> None:
    with pytest.raises(ValidationError, match="such as http://collector:4318"):
        settings(otel_exporter_otlp_endpoint="collector:4318")
    assert settings(otel_exporter_otlp_endpoint="").otel_exporter_otlp_endpoint is None
    assert settings(otel_exporter_otlp_endpoint="http://c:4318").otel_exporter_otlp_endpoint == "http://c:4318"
