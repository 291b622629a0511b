"""A right body for every operation that takes JSON, with every property that the published document knows."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from app.domain.alerting import KINDS
from tests.integration.api.conftest import Api
from tests.integration.api.objects import NOWHERE, a_mailchimp, a_mapping, a_sync, an_x3, furnish

AUDIENCE = "a6b5da1054"
TENANT = "/v1/tenants/{tenant_id}"
RICH_X3 = an_x3(
    settings={
        "endpoint": "SEED",
        "folder": "SEED",
        "customer_url": "https://x3.acme.test",
        "oauth_scope": "openid",
        "jwt_audience": "x",
        "jwt_lifetime_seconds": 300,
        "jwt_iat_skew_seconds": 30,
        "tls_ca_pem": None,
        "tls_verify": True,
        "generation": "auto",
        "page_size": 500,
        "request_timeout_seconds": 60,
        "max_body_bytes": 1_000_000,
        "max_concurrency": 2,
        "delta_overlap_seconds": 1020,
        "filter_dialect": "json",
        "fields": {"customers": {"custom.x": "a.b"}},
        "rest": {
            "customers": {
                "class": "BPCUSTOMER",
                "representation": "BPCUSTOMER",
                "paths": {"name": "BPCNAM"},
                "delta_where": "UPDDATTIM ge @{since}@",
                "details_per_row": True,
            }
        },
        "headers": {"x-a": "b"},
        "link_hosts": ["x3.internal"],
    }
)
TOKENS = {"client_id": "a", "client_secret": "b", "access_token": "c", "refresh_token": "d"}
GATEWAY = an_x3(kind="graphql_oauth", url="https://api.eu-prod-sagex3.com/v1", settings={}, credential=TOKENS)
BASIC = an_x3(kind="rest_basic", url=NOWHERE, settings={}, credential={"username": "u", "password": "p"})
RICH_MAILCHIMP = a_mailchimp(
    settings={
        "base_url": "http://127.0.0.1:9/3.0",
        "oauth_base_url": "http://127.0.0.1:9",
        "batch_operations_from": 1000,
        "batch_orders_from": 100,
    }
)
SIGNED_IN = a_mailchimp(
    kind="oauth", settings={}, credential={"client_id": "a", "client_secret": "b", "access_token": "c"}
)
RULES: dict[str, Any] = {
    "email": {"sources": ["default_address.emails"], "mode": "per_party"},
    "fields": [
        {"target": "FNAME", "source": "name", "transforms": ["trim", {"name": "truncate", "length": 80}]},
        {"target": "KIND", "constant": "customer", "when_blank": "keep"},
    ],
    "tags": [{"name": "a"}, {"name": "b", "when": {"field": "country", "not_in": ["FR"]}}],
    "language": "language",
}
THRESHOLDS = {"rejected_percent": 5, "freshness_factor": 3, "freshness_minutes": None, "credential_days": 5}
SMTP = {
    "host": "127.0.0.1",
    "port": 587,
    "security": "starttls",
    "username": "u",
    "password": "p",
    "from_address": "mlc@acme.test",
}


class Case(NamedTuple):
    """`template` is the path as openapi.json names it."""

    method: str
    template: str
    path: str
    body: dict[str, Any]

    @property
    def kind(self) -> str | None:
        """Which of several models the body is of."""
        return self.body.get("kind")


def sync_body(ids: dict[str, str]) -> dict[str, Any]:
    return a_sync(
        ids["connections"],
        ids["mailchimp"],
        ids["mappings"],
        target={"audience_id": AUDIENCE, "store_id": None, "create_merge_fields": True},
        filter={"field": "category", "in": ["EXP"]},
        inactive={"action": "tag", "tag": "gone"},
        schedule={"kind": "weekly", "days": ["mon"], "at": "02:30", "quiet_hours": [{"from": "08:00", "to": "09:00"}]},
        brake={"max_new": None, "max_inactive_percent": 20},
        reconcile={"every_days": 7, "repair": ["x3_deleted"]},
        enabled=True,
    )


def channel(kind: str, sync_id: str, **given: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": "On call",
        "events": list(KINDS)[:2],
        "thresholds": THRESHOLDS,
        "sync_ids": [sync_id],
        "tls_ca_pem": None,
        "enabled": True,
        **given,
    }


async def cases(api: Api, tenant: str) -> list[Case]:
    """Of one tenant with one object of each kind. New ones have another audience than those that are there."""
    ids = await furnish(api, tenant)
    connection, sync = f"/connections/{ids['connections']}", sync_body(ids)
    channels = {kind: channel(kind, ids["syncs"], **rest) for kind, rest in _RECEIVERS.items()}
    of_kind = {kind: (await api.made(f"{tenant}/alert-channels", body))["id"] for kind, body in channels.items()}
    hooks = f"/connections/{ids['mailchimp']}/webhooks"
    hook = (await api.made(tenant + hooks, {"kind": "transactional"}))["id"]
    change = {name: value for name, value in sync.items() if name != "stream"}

    def case(method: str, path: str, template: str, body: dict[str, Any]) -> Case:
        return Case(method, TENANT + template, tenant + path, body)

    return [
        Case("POST", "/v1/tenants", "/v1/tenants", {"slug": "x-1", "name": "x", "time_zone": "UTC"}),
        case("PATCH", "", "", {"name": "x", "time_zone": "UTC", "slug": "acme"}),
        case("POST", "/api-keys", "/api-keys", {"name": "x", "role": "viewer", "expires_at": "2099-01-01T00:00:00Z"}),
        *(case("POST", "/connections", "/connections", body) for body in _CONNECTIONS),
        case("PATCH", connection, "/connections/{id}", {"name": "x", "settings": {"page_size": 5}}),
        case("PATCH", connection, "/connections/{id}", {"url": RICH_X3["url"], "credential": RICH_X3["credential"]}),
        case("PUT", f"{connection}/credential", "/connections/{id}/credential", RICH_X3["credential"]),
        case("POST", "/mappings", "/mappings", a_mapping(**RULES)),
        case("PUT", f"/mappings/{ids['mappings']}", "/mappings/{id}", a_mapping(**RULES)),
        case("POST", f"/mappings/{ids['mappings']}/preview", "/mappings/{id}/preview", _preview(ids)),
        *(case("POST", "/syncs", "/syncs", {**sync, **_ELSEWHERE, **terms}) for terms in _TERMS),
        *(case("PATCH", f"/syncs/{ids['syncs']}", "/syncs/{id}", {**change, **terms}) for terms in ({}, *_TERMS[:2])),
        case(
            "POST", f"/syncs/{ids['syncs']}/runs", "/syncs/{id}/runs", {"mode": "full", "dry_run": True, "codes": ["C"]}
        ),
        case("POST", _REPLAY, _REPLAY, {"sync_id": ids["syncs"], "reason": "x", "since": None}),
        *(case("POST", "/alert-channels", "/alert-channels", body) for body in channels.values()),
        *(
            case("PATCH", f"/alert-channels/{of_kind[kind]}", "/alert-channels/{id}", without(body, "kind"))
            for kind, body in channels.items()
        ),
        case("POST", f"/alert-channels/{of_kind['webhook']}/rotate", "/alert-channels/{id}/rotate", _GRACE),
        case("POST", hooks, "/connections/{id}/webhooks", {"kind": "audience", "audience_id": AUDIENCE}),
        case("PATCH", f"{hooks}/{hook}", "/connections/{id}/webhooks/{wid}", {"signing_key": "k" * 20}),
        case("POST", f"{hooks}/{hook}/rotate", "/connections/{id}/webhooks/{wid}/rotate", _GRACE),
        case("POST", "/erasures", "/erasures", {"email": "ada@acme.test"}),
    ]


_CONNECTIONS = (RICH_X3, GATEWAY, BASIC, RICH_MAILCHIMP, SIGNED_IN)
_RECEIVERS: dict[str, dict[str, Any]] = {
    "webhook": {"url": "http://127.0.0.1:9/hook"},
    "email": {"recipients": ["ops@acme.test"], "smtp": SMTP},
}
_ELSEWHERE = {"target": {"audience_id": "other", "store_id": None, "create_merge_fields": True}}
_TERMS: tuple[dict[str, Any], ...] = (
    {"inactive": {"action": "archive"}, "schedule": {"kind": "cron", "expression": "*/15 6-20 * * 1-5"}},
    {
        "inactive": {"action": "merge_field", "field": "X3STATUS", "value": "gone", "active_value": "there"},
        "schedule": {"kind": "interval", "minutes": 15},
    },
    {"inactive": {"action": "tag", "tag": "x"}},
)
_REPLAY = "/dead-letters/replay"
_GRACE = {"grace_seconds": 60}


def _preview(ids: dict[str, str]) -> dict[str, Any]:
    """Of a connection that is no X3: nobody is asked."""
    return {
        "connection_id": ids["mailchimp"],
        "audience_connection_id": ids["mailchimp"],
        "audience_id": AUDIENCE,
        "codes": ["A"],
        "limit": 5,
        "definition": RULES,
    }


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a body, inner ones too."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*at, name))


def published(document: dict[str, Any], schema: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every property that a schema names, as a path of names; items of lists have the path of their list."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from published(document, part, at)
    if isinstance(schema.get("items"), dict):
        yield from published(document, schema["items"], at)
    for name, inner in schema.get("properties", {}).items():
        yield (*at, name)
        yield from published(document, inner, (*at, name))
