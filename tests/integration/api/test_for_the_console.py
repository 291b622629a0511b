"""What the API tells whoever shows it to people: who they are, rules that are not stored yet, a run's pace."""

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.test_journey import Place, place, vendors

pytestmark = pytest.mark.integration
__all__ = ["place", "vendors"]  # fixtures


async def test_a_key_learns_who_it_is(api: Api) -> None:
    tenant = await api.tenant()
    made = await api.made(f"{tenant}/api-keys", {"name": "somebody", "role": "viewer"})

    nobody = (await api.get("/v1/caller")).json()
    somebody = (await api.with_key(made["key"]).get("/v1/caller")).json()

    assert nobody == {"kind": "operator", "role": "admin", "tenant_id": None, "key_id": None}
    assert somebody == {
        "kind": "key",
        "role": "viewer",
        "tenant_id": tenant.rpartition("/")[2],
        "key_id": made["id"],
    }
    assert (await api.with_key(None).get("/v1/caller")).status_code == 401


async def test_rules_are_tried_without_being_stored(place: Place) -> None:
    path = f"{place.tenant}/mappings/{place.ids['mapping']}"
    before = (await place.api.get(path)).json()
    rules = {"fields": [{"target": "COMPANY", "source": "name", "transforms": ["upper"]}], "tags": [{"name": "try"}]}

    tried = await place.api.made(
        f"{path}/preview", {"connection_id": place.ids["x3"], "limit": 5, "definition": rules}, 200
    )

    members = [item["member"] for item in tried["items"] if item["member"]]
    assert members
    assert all(set(member["merge_fields"]) <= {"COMPANY"} and member["tags"] == ["try"] for member in members)
    assert all(member["merge_fields"]["COMPANY"].isupper() for member in members if "COMPANY" in member["merge_fields"])
    assert (await place.api.get(path)).json() == before


async def test_a_fault_in_tried_rules_is_found_at_its_place(place: Place) -> None:
    body = {"connection_id": place.ids["x3"], "definition": {"fields": [{"target": "COMPANY", "source": "nonsense"}]}}

    refused = await place.api.post(f"{place.tenant}/mappings/{place.ids['mapping']}/preview", body)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/definition/fields/0/source"


async def test_a_runs_pace_adds_up_to_what_it_decided(place: Place) -> None:
    await place.sync()
    queued = await place.api.made(f"{place.tenant}/syncs/{place.ids['sync']}/runs", {"mode": "full"}, 202)
    path = f"{place.tenant}/runs/{queued['id']}"
    assert (await place.api.get(f"{path}/pace")).json() == {"bucket_seconds": 1, "items": []}

    run = await place.worked(queued["id"])
    pace = (await place.api.get(f"{path}/pace")).json()

    counts = run["counts"]
    assert sum(point["records"] for point in pace["items"]) == counts["read"] - counts["unchanged"] > 0
    assert all(run["started_at"][:10] == point["at"][:10] for point in pace["items"])
