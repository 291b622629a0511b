"""Every MLC_ variable, typed; no default secrets."""

import re
from functools import cached_property
from importlib.util import find_spec
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.alerts.relays import Relay, operators_relay

_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", re.ASCII)


class Settings(BaseSettings):
    """What the operator decides. Built only by main, workers/main, the CLI and alembic/env."""

    model_config = SettingsConfigDict(env_prefix="MLC_", env_file=".env", extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr
    redis_url: SecretStr
    operator_key: SecretStr
    master_keys: SecretStr
    public_url: str = "http://127.0.0.1:8080"

    egress_allow: Annotated[tuple[str, ...], NoDecode] = ()
    egress_allow_http: bool = False
    x3_oauth_host_suffix: str = "-sagex3.com"
    x3_approval_hours: float = Field(default=72, ge=0, le=720)
    x3_warm_days: float = Field(default=7, gt=0, le=25)
    mailchimp_connections: int = Field(default=8, ge=1, le=10)

    smtp_url: SecretStr | None = None
    smtp_from: str = ""

    log_format: Literal["json", "console"] = "json"
    metrics_listen: str = ""
    otel_exporter_otlp_endpoint: str | None = None
    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    worker_concurrency: int = Field(default=6, ge=1, le=64)
    retention_days: int = Field(default=90, ge=1)
    rate_limit_per_minute: int = Field(default=1200, ge=1)
    webhook_rate_per_second: int = Field(default=500, ge=1)
    webhook_body_days: int = Field(default=30, ge=1)
    webhook_check_minutes: int = Field(default=60, ge=1)
    mirror_pull_minutes: int = Field(default=360, ge=1)

    lease_seconds: float = Field(default=45, gt=0)
    heartbeat_seconds: float = Field(default=10, gt=0)
    sweep_seconds: float = Field(default=15, gt=0)
    slice_seconds: float = Field(default=60, gt=0)
    settle_seconds: float = Field(default=130, ge=0)
    retry_base_seconds: float = Field(default=2, gt=0)
    retry_budget_seconds: float = Field(default=120, ge=0)
    put_off_seconds: float = Field(default=15, gt=0)

    @field_validator("egress_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("egress_allow")
    @classmethod
    def _are_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in value:
            try:
                ip_network(place if "/" in place else "::", strict=False)
            except ValueError:
                raise ValueError(f"{place} is no address range such as 10.1.0.0/16") from None
        return value

    @field_validator("metrics_listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not _ADDRESS.fullmatch(value):
            raise ValueError("MLC_METRICS_LISTEN must be host:port, such as 0.0.0.0:9090")
        return value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _can_be_traced(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must be the address of a collector, such as http://collector:4318")
        if find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter.otlp.proto.http") is None:
            raise ValueError("traces need the extra `otel`: pip install 'ml-connector[otel]'")
        return value

    @model_validator(mode="after")
    def _can_mail(self) -> Self:
        self.mail_relay()
        return self

    @field_validator("operator_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 24:
            raise ValueError(
                "MLC_OPERATOR_KEY must have at least 24 characters; make one with: openssl rand -base64 32"
            )
        return value

    def mail_relay(self) -> Relay | None:
        """The operator's mail server, None without one. Raises ValueError when it is not written as it should be."""
        return operators_relay(self.smtp_url.get_secret_value() if self.smtp_url else "", self.smtp_from)

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host (empty: every address) and port of the metrics, when they have a port of their own."""
        host, _, port = self.metrics_listen.rpartition(":")
        return (host.removeprefix("[").removesuffix("]"), int(port)) if self.metrics_listen else None

    @cached_property
    def asyncpg_dsn(self) -> str:
        """The database URL as asyncpg wants it, whatever driver suffix the operator wrote."""
        return self.database_url.get_secret_value().replace("+asyncpg", "", 1)
