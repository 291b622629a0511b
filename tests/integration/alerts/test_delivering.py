"""Messages leave the outbox as signed webhooks: at least once, under one id, in order, and not in floods."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.alerts.courier import Courier
from app.alerts.delivering import Office, deliver, deliver_all
from app.alerts.detecting import sweep
from app.alerts.mailing import Mailer
from app.alerts.sealing import Secrets, SigningSecret, seal
from app.alerts.signing import new_secret
from app.connections.keys import keys_of
from app.http import EgressPolicy, open_outbound
from app.http.mail import MailWays
from app.settings import Settings
from tests.fixtures.settings import MASTER_KEY, OPERATOR_KEY
from tests.integration.alerts.conftest import PUBLIC, Scene
from tests.integration.alerts.receiver import Receiver, receiving

pytestmark = pytest.mark.integration
SECRET = new_secret()
WAITS = (0.05, 0.05, 0.05)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
def office(scene: Scene) -> Office:
    resources = scene.resources
    return Office(resources.database, resources.vault, resources.courier, WAITS)


async def a_channel(scene: Scene, receiver: Receiver, *kinds: str) -> UUID:
    """A channel whose messages go to the receiver."""
    channel = await scene.channel(*kinds)
    keys = await keys_of(scene.resources.database, scene.resources.vault, scene.tenant_id)
    assert keys is not None
    sealed = seal(keys, channel, Secrets(signing=(SigningSecret(SECRET),)))
    await scene.execute(
        "update alert_channel set url = $3, sealed = $4 where tenant_id = $1 and id = $2", channel, receiver.url, sealed
    )
    return channel


async def until_quiet(office: Office, rounds: int = 40) -> None:
    """As the worker's loop does it, for a while."""
    for _ in range(rounds):
        await deliver_all(office)
        await asyncio.sleep(0.02)


async def states(scene: Scene) -> list[tuple[str, str, int]]:
    rows = await scene.fetch("select phase, state, attempts from alert_delivery order by created_at, seq")
    return [tuple(row) for row in rows]


async def test_a_message_arrives_signed_and_is_sent_once(scene: Scene, receiver: Receiver, office: Office) -> None:
    await a_channel(scene, receiver)
    await scene.run("failed", reason="The key was revoked.")
    for _ in range(3):
        await scene.look()
        await deliver_all(office)

    (delivery,) = receiver.deliveries
    assert delivery.proven_by(SECRET)
    assert not delivery.proven_by(new_secret())
    assert delivery.id.startswith("msg_")
    assert "." not in delivery.id
    assert delivery.message["type"] == "run.failed"
    assert delivery.message["data"]["sentence"].endswith("The key was revoked.")
    (channel,) = await scene.fetch("select state, state_reason from alert_channel")
    assert tuple(channel) == ("ok", None)


async def test_500_twice_then_200_is_one_message_under_one_id(scene: Scene, receiver: Receiver, office: Office) -> None:
    await a_channel(scene, receiver)
    receiver.statuses = [500, 503]
    await scene.run("failed")
    await scene.look()

    await until_quiet(office)

    assert len(receiver.deliveries) == 3
    assert len({(each.id, each.body) for each in receiver.deliveries}) == 1
    assert all(each.proven_by(SECRET) for each in receiver.deliveries)
    assert await states(scene) == [("opened", "delivered", 3)]
    (channel,) = await scene.fetch("select state, state_reason from alert_channel")
    assert tuple(channel) == ("ok", None)


async def test_whoever_never_takes_it_is_given_up_and_that_is_on_record(
    scene: Scene, receiver: Receiver, office: Office
) -> None:
    channel = await a_channel(scene, receiver)
    receiver.statuses = [500] * 100
    await scene.run("failed")
    await scene.look()

    await until_quiet(office)

    assert await states(scene) == [("opened", "failed", len(WAITS) + 1)]
    assert len(receiver.deliveries) == len(WAITS) + 1
    (row,) = await scene.fetch("select state, state_reason from alert_channel")
    assert tuple(row) == ("failing", "The receiver answered 500.")
    events = (await scene.api.get(f"{scene.tenant}/audit?action=alert.not_delivered")).json()["items"]
    assert [event["object_id"] for event in events] == [str(channel)]
    assert [event["detail"]["attempts"] for event in events] == [4]


async def test_the_end_is_told_after_the_beginning_even_when_that_took_a_while(
    scene: Scene, receiver: Receiver, office: Office
) -> None:
    await a_channel(scene, receiver)
    receiver.statuses = [500, 500]
    await scene.run("failed")
    await scene.look()
    await deliver_all(office)
    await scene.run("succeeded")
    await scene.look()

    await until_quiet(office)

    assert [state for _, state in receiver.told] == ["opened", "opened", "opened", "resolved"]
    assert len({each.id for each in receiver.deliveries}) == 2


async def test_a_worker_killed_after_sending_sends_it_again_under_the_same_id(
    scene: Scene, receiver: Receiver, office: Office, settings: Settings
) -> None:
    channel = await a_channel(scene, receiver)
    await scene.run("failed")
    await scene.look()
    given = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "OPERATOR_KEY": OPERATOR_KEY,
        "MASTER_KEYS": MASTER_KEY,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "EGRESS_ALLOW_HTTP": "true",
    }
    env = {**os.environ, **{f"MLC_{name}": value for name, value in given.items()}}
    command = (sys.executable, "-m", "tests.integration.alerts.delivering_child", str(scene.tenant_id), str(channel))
    child = await asyncio.create_subprocess_exec(*command, env=env, cwd=Path(__file__).parents[3])
    receiver.before_answer = lambda: child.send_signal(signal.SIGKILL)
    receiver.delay_seconds = 0.3  # it never reads the answer

    assert await child.wait() == -signal.SIGKILL

    assert await states(scene) == [("opened", "pending", 1)]
    receiver.before_answer, receiver.delay_seconds = lambda: None, 0
    assert await deliver(office, scene.tenant_id, channel) == 0  # it might still be alive
    await scene.execute("update alert_delivery set next_try_at = next_try_at - interval '1 hour' where tenant_id = $1")
    assert await deliver(office, scene.tenant_id, channel) == 1
    first, second = receiver.deliveries
    assert (first.id, first.body) == (second.id, second.body)
    assert await states(scene) == [("opened", "delivered", 2)]


async def test_one_that_took_too_long_does_not_overrule_who_tried_again(
    scene: Scene, receiver: Receiver, office: Office
) -> None:
    channel = await a_channel(scene, receiver)
    await scene.run("failed")
    await scene.look()
    receiver.statuses, receiver.delay_seconds = [500, 200], 1
    hasty = Office(office.database, office.vault, office.courier, (60.0,), hold_seconds=0.1)

    slow = asyncio.create_task(deliver(hasty, scene.tenant_id, channel))
    while not receiver.deliveries:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.11)
    await asyncio.gather(slow, deliver(hasty, scene.tenant_id, channel))

    assert await states(scene) == [("opened", "delivered", 2)]


async def test_workers_side_by_side_send_each_message_once(scene: Scene, receiver: Receiver, office: Office) -> None:
    await a_channel(scene, receiver)
    for _ in range(4):
        await scene.run("failed")
        await scene.look()
        await scene.run("succeeded")
        await scene.look()

    await asyncio.gather(*(deliver_all(office) for _ in range(8)))
    await deliver_all(office)

    assert len({each.id for each in receiver.deliveries}) == len(receiver.deliveries) == 8


async def many_failures(scene: Scene, count: int) -> None:
    """So many syncs of the tenant fail at once."""
    await scene.execute(
        "insert into sync select (jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid(), 'name',"
        " 'sync ' || n))).* from sync s, generate_series(2, $2::int) n where s.tenant_id = $1",
        count,
    )
    await scene.execute("update sync set state = 'needs_attention', state_reason = 'Gone.' where tenant_id = $1")
    await scene.look()


async def test_many_changes_at_once_are_one_message(scene: Scene, receiver: Receiver, office: Office) -> None:
    await a_channel(scene, receiver)
    await many_failures(scene, 40)

    await until_quiet(office, 3)

    (digest,) = receiver.deliveries
    assert digest.proven_by(SECRET)
    assert digest.message["type"] == "alerts.digest"
    assert (digest.message["data"]["opened"], digest.message["data"]["resolved"]) == (40, 0)
    assert len(digest.message["data"]["items"]) + digest.message["data"]["left_out"] == 40
    folded = await scene.fetch("select count(*) from alert_delivery where state = 'folded' and folded_into is not null")
    assert folded[0][0] == 40
    await scene.execute("update sync set state = 'active' where tenant_id = $1")
    await scene.look()
    await until_quiet(office, 3)
    assert [each.message["data"].get("resolved") for each in receiver.deliveries] == [0, 40]


async def test_as_many_as_people_can_read_are_told_one_by_one(scene: Scene, receiver: Receiver, office: Office) -> None:
    await a_channel(scene, receiver)
    await many_failures(scene, 10)
    await until_quiet(office, 3)
    assert [kind for kind, _ in receiver.told] == ["sync.needs_attention"] * 10

    await scene.execute("update sync set state = 'active' where tenant_id = $1")
    await scene.look()
    await until_quiet(office, 3)
    assert len(receiver.deliveries) == 10  # the minute's ten are out
    await scene.execute(
        "update alert_delivery set delivered_at = delivered_at - interval '61 s' where tenant_id = $1"
        " and delivered_at is not null"
    )
    await until_quiet(office, 3)
    assert [state for _, state in receiver.told[10:]] == ["resolved"] * 10


async def test_a_receiver_that_is_gone_is_left_in_peace(scene: Scene, receiver: Receiver, office: Office) -> None:
    await a_channel(scene, receiver)
    receiver.statuses = [410]
    await many_failures(scene, 3)

    await until_quiet(office, 5)

    assert len(receiver.deliveries) == 1
    (row,) = await scene.fetch("select enabled, state, state_reason, version from alert_channel")
    assert (row["enabled"], row["state"], row["version"]) == (False, "gone", 2)
    assert sorted(state for _, state, _ in await states(scene)) == ["dropped", "dropped", "failed"]


async def test_how_long_to_wait_is_the_receivers_to_say(scene: Scene, receiver: Receiver, office: Office) -> None:
    await a_channel(scene, receiver)
    receiver.statuses, receiver.headers = [429], {"retry-after": "120"}
    await scene.run("failed")
    await scene.look()

    await deliver_all(office)

    (row,) = await scene.fetch(
        "select extract(epoch from next_try_at - clock_timestamp()) as wait, last_status from alert_delivery"
    )
    assert 110 < row["wait"] <= 121
    assert row["last_status"] == 429


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:9/hook", "cannot be reached"),
        ("http://nowhere.invalid/hook", "cannot be reached"),
        ("http://169.254.169.254/latest", "may not call"),
        ("http://10.0.0.1/hook", "may not call"),
    ],
)
async def test_where_nobody_may_or_can_answer_is_said_plainly(
    scene: Scene, receiver: Receiver, office: Office, url: str, sentence: str
) -> None:
    channel = await a_channel(scene, receiver)
    await scene.execute("update alert_channel set url = $3 where tenant_id = $1 and id = $2", channel, url)
    await scene.run("failed")
    await scene.look()

    await deliver_all(office)

    (row,) = await scene.fetch("select state, last_sentence from alert_delivery")
    assert row["state"] == "pending"
    assert sentence in row["last_sentence"]


async def test_redirects_are_not_followed(scene: Scene, receiver: Receiver, office: Office) -> None:
    await a_channel(scene, receiver)
    receiver.statuses, receiver.headers = [302], {"location": receiver.url}
    await scene.run("failed")
    await scene.look()

    await deliver_all(office)

    assert len(receiver.deliveries) == 1
    assert "it has moved" in (await scene.fetch("select last_sentence from alert_delivery"))[0][0]


async def test_a_tenant_alone_cannot_reach_into_our_network(scene: Scene, receiver: Receiver) -> None:
    """Without MLC_EGRESS_ALLOW the receiver on loopback is out of reach."""
    outbound = open_outbound(egress_allow=(), egress_allow_http=True)
    mailer = Mailer(MailWays(EgressPolicy()))
    office = Office(scene.resources.database, scene.resources.vault, Courier(outbound, mailer, None), WAITS)
    await a_channel(scene, receiver)
    await scene.run("failed")
    await scene.look()

    await deliver_all(office)
    await outbound.aclose()

    assert receiver.deliveries == []
    assert "MLC_EGRESS_ALLOW" in (await scene.fetch("select last_sentence from alert_delivery"))[0][0]


async def test_messages_of_two_tenants_do_not_meet(scene: Scene, receiver: Receiver, office: Office) -> None:
    await a_channel(scene, receiver)
    other = await scene.api.tenant("other")
    await scene.run("failed")
    await sweep(scene.resources.database, PUBLIC)

    await deliver_all(office)

    assert {each.message["data"]["tenant_id"] for each in receiver.deliveries} == {str(scene.tenant_id)}
    async with scene.resources.database.transaction(UUID(other.rpartition("/")[2])) as connection:
        assert await connection.fetchval("select count(*) from alert_delivery") == 0


async def test_secrets_that_cannot_be_opened_end_it(scene: Scene, receiver: Receiver, office: Office) -> None:
    channel = await a_channel(scene, receiver)
    await scene.execute(
        "update alert_channel set sealed = $3 where tenant_id = $1 and id = $2", channel, b"\x01" + uuid4().bytes * 3
    )
    await scene.run("failed")
    await scene.look()

    await deliver_all(office)

    assert await states(scene) == [("opened", "failed", 1)]
    assert receiver.deliveries == []
