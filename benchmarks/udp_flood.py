"""What a flood from made-up addresses costs those who were there before it.

Every datagram of the flood begins a flow, with a socket of its own, and evicts the oldest one that nobody answered.
It runs in a network of its own, with the programs that the tests use; so the rates are those of whole flows.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.bench import Bench, LeftOut, Outcome
from benchmarks.targets import Verdict, judge_fact

KEY = "udp-flood"
ROOT = Path(__file__).parents[1]
HOUSE = "tests.tools.flood_house"
EVERYTHING = 1e9
SHARES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
JUDGED_SHARE = 0.5
PASSED_LEAST = 0.999
SECONDS_LEAST = 2.0
TIMEOUT_S = 120.0
NOTE = (
    "Capacity: datagrams that one worker judged in a second while more came than it could take. Lost: datagrams of "
    "flows that a backend had answered before the flood began; each sends the next one when its answer is there."
)


@dataclass(frozen=True)
class Flooded:
    """One run. rate: datagrams of the flood a second, as asked for and as sent.   seen: what the house says."""

    rate: float
    sent_rate: float
    seen: dict[str, Any]

    @property
    def passed(self) -> float:
        """The share of the answered flows' datagrams that were answered again."""
        return 1 - self.seen["lost"] / max(1, self.seen["sent_during"])

    @property
    def dropped(self) -> str:
        """Datagrams by the reason why they went no further."""
        return ", ".join(f"{name} {count:,}" for name, count in self.seen["dropped"].items()) or "–"


def flood(bench: Bench, rate: float) -> Flooded:
    """Start everything anew and flood it. Raises LeftOut where no network of one's own can be had."""
    seconds = max(bench.seconds, SECONDS_LEAST)
    command = ["unshare", "--net", "taskset", "-c", str(bench.stage.load_core), sys.executable, "-m", HOUSE]
    words = [str(rate), str(seconds), str(bench.stage.proxy_core)]
    done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise LeftOut(f"the flood did not run, which needs root and `unshare`: {said}")
    seen = json.loads(done.stdout)
    return Flooded(rate, seen["flood"] / seconds, seen)


def row(name: str, run: Flooded) -> list[str]:
    """One rate."""
    seen = run.seen
    return [
        name,
        f"{run.sent_rate:,.0f}",
        f"{seen['judged_per_s']:,.0f}",
        f"{seen['lost']:,} of {seen['sent_during']:,}",
        f"{run.passed:.2%}",
        f"{seen['most_live']:,}",
        f"{seen['ends'].get('evicted', 0):,}",
        run.dropped,
    ]


def judged(capacity: float, half: Flooded) -> list[Verdict]:
    """At half of capacity the flows notice nothing, and the table stays at its cap."""
    what = f"passed at {half.rate:,.0f} a second, {JUDGED_SHARE:.0%} of {capacity:,.0f}"
    wrong = len(half.seen["wrong"])
    return [
        judge_fact(KEY, what, f"≥ {PASSED_LEAST:.1%}", f"{half.passed:.3%}", half.passed >= PASSED_LEAST),
        judge_fact(KEY, "answers that were another's", "0", str(wrong), not wrong),
    ]


def table(runs: Sequence[tuple[str, Flooded]]) -> str:
    """The curve."""
    head = ("", "flood a second", "judged a second", "lost", "passed", "flows at most", "evicted", "dropped")
    rows = [row(name, run) for name, run in runs]
    title = "UDP flood from made-up addresses beside 500 answered flows, 2,000 flows at most"
    return "\n".join([f"### {title}", "", *report.lines_of(head, rows), "", NOTE]) + "\n"


def run(bench: Bench) -> Outcome:
    """Capacity first, then the curve around it. Raises LeftOut."""
    full = flood(bench, EVERYTHING)
    capacity = full.seen["judged_per_s"]
    curve = {share: flood(bench, capacity * share) for share in SHARES}
    named = [(f"{share:.0%} of capacity", one) for share, one in curve.items()]
    figures = {
        "capacity": capacity,
        "passed": {f"{share:g}": one.passed for share, one in curve.items()},
        "dropped": {f"{share:g}": one.seen["dropped"] for share, one in curve.items()},
    }
    text = table([*named, ("as fast as it goes", full)])
    return Outcome(text, verdicts=judged(capacity, curve[JUDGED_SHARE]), figures=figures)
