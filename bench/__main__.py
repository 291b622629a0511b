"""`python3 dev.py bench`: measure the product against what people would otherwise use, in one run."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from bench import plan, webhooks
from bench.figures import faults, figures
from bench.gates import gates
from bench.plan import Contest, Mode
from bench.report import markdown, save
from bench.running import ROOT, Failed, Result, printed_by, run

PARTS = ("cpu", "memory", "limit", "flat", "webhooks")
RESULTS = ROOT / "bench" / "results"


def main() -> int:
    """0 when every required gate holds and every run did what it should, 1 when not, 2 when a contender failed."""
    given = _arguments()
    mode = {"quick": plan.quick, "full": plan.full}.get(given.mode, plan.default)()
    try:
        transform = printed_by(
            [sys.executable, "-m", "bench.contenders.transform", "--seconds", str(mode.transform_seconds)]
        )
        results = [_told(contest, given.patience) for contest in _interleaved(mode, set(given.only))]
        hooks = _webhooks(mode, set(given.only), given.patience)
    except Failed as error:
        print(error, file=sys.stderr)
        return 2
    rows, wrong = figures(results), [fault for result in results for fault in faults(result)]
    found = gates(mode, rows, transform)
    more: dict[str, Any] = {"transform": transform}
    if hooks is not None:
        wrong, found, more["webhooks"] = wrong + webhooks.faults(hooks), found + webhooks.gates(hooks), hooks
    print(markdown(mode, rows, found, wrong, more))
    save(given.json, mode, rows, found, wrong, results, more)
    print(f"\nAll of it: {given.json}", file=sys.stderr)
    return 0 if not wrong and all(gate.holds for gate in found if gate.required) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 dev.py bench", description=__doc__)
    modes = parser.add_mutually_exclusive_group()
    for name, text in (("quick", "about 90 seconds, for CI"), ("full", "five rounds, and a million records")):
        modes.add_argument(f"--{name}", dest="mode", action="store_const", const=name, default="default", help=text)
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--patience", type=int, default=1, metavar="N", help="how often a run is repeated when others load the machine"
    )
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    parser.add_argument("--json", type=Path, default=RESULTS / f"{stamp}.json", help="where the JSON goes")
    return parser.parse_args()


def _webhooks(mode: Mode, only: set[str], patience: int) -> dict[str, Any] | None:
    """None when they are no part of it; asked for by name, they are part of any mode."""
    seconds = mode.webhook_seconds or (plan.default().webhook_seconds if only else 0.0)
    return webhooks.measured(seconds, patience=patience) if seconds and (not only or "webhooks" in only) else None


def _interleaved(mode: Mode, only: set[str]) -> list[Contest]:
    """Round by round, so that a machine that slows down slows all contenders down."""
    chosen = [contest for contest in mode.contests if not only or contest.part in only]
    most = max((contest.rounds for contest in chosen), default=0)
    return [contest for number in range(most) for contest in chosen if number < contest.rounds]


def _told(contest: Contest, patience: int) -> Result:
    began = time.monotonic()
    result = run(contest, patience=patience)
    seconds = time.monotonic() - began
    said = f"{contest.part}: {contest.contender}, {contest.records:,} records"
    print(f"{said} ({seconds:.0f} s, others {result.foreign_cores:.2f} cores)", file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
