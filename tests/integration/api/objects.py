"""One of each object of a tenant, with vendors that do not answer."""

from typing import Any

from tests.integration.api.conftest import Api

SECRETS = ("canary-client-secret-1", "canary-api-key-2-us6")
NOWHERE = "http://127.0.0.1:9/xtrem/api"  # the discard port: refused at once


def an_x3(**given: Any) -> dict[str, Any]:
    return {
        "name": "X3 production",
        "system": "sage_x3",
        "kind": "graphql_jwt",
        "url": NOWHERE,
        "settings": {"endpoint": "SEED", "page_size": 500, "max_concurrency": 2},
        "credential": {"client_id": "app", "client_secret": SECRETS[0], "subject": "adc"},
        **given,
    }


def a_mailchimp(**given: Any) -> dict[str, Any]:
    return {
        "name": "Mailchimp",
        "system": "mailchimp",
        "kind": "api_key",
        "settings": {"base_url": "http://127.0.0.1:9/3.0"},
        "credential": {"api_key": SECRETS[1]},
        **given,
    }


def a_mapping(**given: Any) -> dict[str, Any]:
    return {"name": "customers", "stream": "customers", **given}


def a_sync(x3: str, mailchimp: str, mapping: str, **given: Any) -> dict[str, Any]:
    return {
        "name": "customers to newsletter",
        "stream": "customers",
        "source_connection_id": x3,
        "target_connection_id": mailchimp,
        "mapping_id": mapping,
        "target": {"audience_id": "a6b5da1054", "store_id": None},
        "new_member_status": "transactional",
        "schedule": {"kind": "daily", "at": "02:30"},
        **given,
    }


async def furnish(api: Api, tenant: str) -> dict[str, str]:
    """Ids of one object of each kind, by the name of the collection."""
    x3 = await api.made(f"{tenant}/connections", an_x3())
    mailchimp = await api.made(f"{tenant}/connections", a_mailchimp())
    mapping = await api.made(f"{tenant}/mappings", a_mapping())
    sync = await api.made(f"{tenant}/syncs", a_sync(x3["id"], mailchimp["id"], mapping["id"]))
    run = await api.made(f"{tenant}/syncs/{sync['id']}/runs", {"mode": "delta"}, 202)
    key = await api.made(f"{tenant}/api-keys", {"name": "somebody", "role": "viewer"})
    return {
        "connections": x3["id"],
        "mailchimp": mailchimp["id"],
        "mappings": mapping["id"],
        "syncs": sync["id"],
        "runs": run["id"],
        "api-keys": key["id"],
    }
