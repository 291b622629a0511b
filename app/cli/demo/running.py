"""Starting a run and watching it to its end."""

import asyncio

from app.cli.demo.broken import StoryBroken
from app.cli.demo.calling import Object
from app.cli.demo.setting_up import House
from app.cli.demo.showing import Stage

LONGEST_SECONDS = 300
FINE = ("succeeded", "partially_failed")


async def run(stage: Stage, house: House, stream: str, mode: str = "delta") -> Object:
    """Start a run of a stream's sync, draw its progress, give its last state.

    Raises:
        StoryBroken: it failed, was halted, or does not end.
    """
    body = {"mode": mode}
    begun = await house.api.post(f"{house.path}/syncs/{house.syncs[stream]}/runs", body)
    last: Object = begun
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            with stage.bar(f"{stream}, {mode} run") as update:
                async for last in house.api.follow(f"{house.path}/runs/{begun['id']}"):
                    update(last["counts"]["read"], last["progress"]["expected_records"])
    except TimeoutError:
        raise StoryBroken(f"The {mode} run of {stream} did not end within {LONGEST_SECONDS} s.") from None
    if last["state"] not in FINE:
        raise StoryBroken(f"The {mode} run of {stream} ended as {last['state']}: {last['reason']}")
    return last


def told(run: Object) -> str:
    """A run's books in one line."""
    counts = ", ".join(f"{name} {count:,}" for name, count in run["counts"].items() if count or name == "read")
    reasons = ", ".join(f"{name} {count:,}" for name, count in run["skipped_by_reason"].items() if count)
    return f"{counts}{f' ({reasons})' if reasons else ''}"


def balances(run: Object) -> bool:
    """Whether every record that was read is accounted for."""
    counts: dict[str, int] = run["counts"]
    return counts["read"] == sum(count for name, count in counts.items() if name != "read")
