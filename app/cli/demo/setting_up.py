"""What an operator does once: a tenant with its key, two connections, a mapping and a sync for each stream."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.cli.demo.broken import StoryBroken
from app.cli.demo.calling import Api, Object
from app.cli.demo.world import World

TENANT = {"slug": "demo", "name": "Demo Corporate Gifts", "time_zone": "Europe/Paris"}
INACTIVE_TAG = "x3-inactive"  # suppliers have one of their own: see docs/how-to/suppliers.md
SUPPLIER_TAG = "x3-supplier-inactive"
EXPORT_TAG = "x3-export"


class House(NamedTuple):
    """A tenant that is ready to run. `api` calls with the tenant's own key; `path` is where all of it lies."""

    api: Api
    path: str
    list_id: str
    connections: Mapping[str, str]  # id by system
    syncs: dict[str, str]  # id by stream

    async def find(self, name: str, **query: Any) -> list[Object]:
        """All objects of a kind: runs, dead-letters, records …"""
        return await self.api.every(f"{self.path}/{name}", **query)

    async def add_sync(self, mapping: Object, target: Object, **given: Any) -> None:
        """A mapping, and the sync of its stream.

        New members are `subscribed`: the boldest setting there is, so that the consent of those who leave is tried.
        """
        made = await self.api.post(f"{self.path}/mappings", mapping)
        stream = mapping["stream"]
        body = {
            "name": f"demo {stream}",
            "stream": stream,
            "source_connection_id": self.connections["sage_x3"],
            "target_connection_id": self.connections["mailchimp"],
            "mapping_id": made["id"],
            "target": {"audience_id": self.list_id, **target},
            "new_member_status": "subscribed",
            "schedule": {"kind": "manual"},
            **given,
        }
        self.syncs[stream] = (await self.api.post(f"{self.path}/syncs", body))["id"]


async def make_tenant(world: World) -> tuple[Api, str]:
    """A tenant, and a caller with a key that opens nothing else."""
    tenant = await world.api.post("/v1/tenants", TENANT)
    path = f"/v1/tenants/{tenant['id']}"
    key = await world.api.post(f"{path}/api-keys", {"name": "demo", "role": "admin"})
    return Api(world.system.api_url, key["key"]), path


async def connect(api: Api, path: str, world: World) -> dict[str, Object]:
    """Both connections by system, each verified against the system it names."""
    made = {}
    for system, body in (("sage_x3", _x3(world.vendors["x3"])), ("mailchimp", _mailchimp(world.vendors["mailchimp"]))):
        connection = await api.post(f"{path}/connections", {"system": system, **body})
        made[system] = connection
        found = await api.post(f"{path}/connections/{connection['id']}/verify")
        if not found["ok"]:
            failed = "; ".join(check["detail"] for check in found["checks"] if not check["ok"])
            raise StoryBroken(f"{connection['name']} cannot be used: {failed}")
        made[system] = {**connection, **found}
    return made


def _x3(given: Mapping[str, Any]) -> Object:
    return {
        "name": "Sage X3 (stand-in)",
        "kind": "graphql_jwt",
        "url": given["graphql_url"],
        "settings": {"endpoint": given["endpoint"], "page_size": 500, "max_concurrency": 4},
        "credential": {"client_id": given["client_id"], "client_secret": given["client_secret"], "subject": "MLC"},
    }


def _mailchimp(given: Mapping[str, Any]) -> Object:
    return {
        "name": "Mailchimp (stand-in)",
        "kind": "api_key",
        "settings": {"base_url": given["base_url"]},
        "credential": {"api_key": given["api_key"]},
    }


def _mapping(stream: str) -> Object:
    """Texts X3 has emptied are emptied in Mailchimp too; where addresses are looked for is left to the default."""
    kind = stream.removesuffix("s")
    sources = {
        "FNAME": "default_contact.first_name",
        "LNAME": "default_contact.last_name",
        "COMPANY": "name",
        "CITY": "default_address.city",
        "X3CODE": "code",
    }
    texts = [
        {"target": target, "source": source, "transforms": ["trim"], "when_blank": "clear"}
        for target, source in sources.items()
    ]
    return {
        "name": stream,
        "stream": stream,
        "fields": [*texts, {"target": "KIND", "constant": kind}],
        "tags": [{"name": f"x3-{kind}"}, {"name": EXPORT_TAG, "when": {"field": "country", "not_in": ["FR"]}}],
        "language": "language",
    }


async def furnish(api: Api, path: str, world: World, connections: Mapping[str, Object]) -> House:
    """A mapping and a sync for customers and for suppliers, into one audience."""
    ids = {system: connection["id"] for system, connection in connections.items()}
    house = House(api, path, world.vendors["mailchimp"]["lists"][0], ids, {})
    for stream, tag in (("customers", INACTIVE_TAG), ("suppliers", SUPPLIER_TAG)):
        await house.add_sync(_mapping(stream), {}, inactive={"action": "tag", "tag": tag})
    return house
