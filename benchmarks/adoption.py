"""How soon workers have a change, and what it costs their turns.

One more backend in a pool of 1,000, from `apply` to the last worker's word that it has adopted it. And the snapshots
of health edges, 18 a second, among 128 pools with Maglev tables of 65,537 slots: the longest turns of the workers, and
control's own time for each.
"""

import asyncio
import time
from statistics import median
from typing import Any

from benchmarks import report
from benchmarks.bench import Bench, Outcome
from benchmarks.measure import on_all_cores, spread_of
from benchmarks.targets import judge_amount, judge_fact
from nginy._fast import door
from nginy.config import parse_config
from nginy.control.lifecycle import Control
from nginy.model import Config

KEY = "adoption"
TITLE = "changes on their way to the workers"
NOTE = "Two workers; from `apply` to the last one's word that it has adopted the change."
POLICIES = ("round_robin", "maglev", "ring")
ADOPTED_BOUND_MS = 50.0
WORKERS = 2
ROUNDS = 11
BACKENDS = 1000
POOLS = 128
MEMBERS = 8
EDGES = 100
EDGE_S = 0.055


def config_of(pools: dict[str, Any]) -> Config:
    listener = {"bind": "127.0.0.1:0", "pool": next(iter(pools))}
    return parse_config({"runtime": {"workers": WORKERS}, "pools": pools, "listeners": {"front": listener}})


def addresses(n: int, second: int = 0) -> list[str]:
    return [f"10.{second}.{i >> 8}.{i & 255}:80" for i in range(n)]


async def one_more(policy: str) -> list[float]:
    """Milliseconds from `apply` to adoption by all workers, of each round."""

    def config(n: int) -> Config:
        return config_of({"pool": {"policy": policy, "backends": addresses(n)}})

    control = Control(config(BACKENDS))
    await control.start()
    took = []
    for n in range(1, ROUNDS + 1):
        wanted = config(BACKENDS + n)
        begin = time.perf_counter()
        report = await control.apply(wanted)
        took.append((time.perf_counter() - begin) * 1e3)
        assert not report.late_workers
    await control.stop()
    control.close()
    return took


def turns_of(control: Control) -> tuple[list[int], int]:
    """Turns by duration, of all workers, and how many took more than 10 ms."""
    rows = [control.board.worker(slot) for slot in range(WORKERS)]
    hist = [sum(counts) for counts in zip(*(row["turn_hist"] for row in rows), strict=True)]
    return hist, sum(sum(row["slow_turns"]) for row in rows)


async def edges() -> tuple[list[float], float, int]:
    """Control's milliseconds for each edge, the upper bound of the longest turn in ms, and turns over 10 ms."""
    pools = {f"p{p}": {"policy": "maglev", "backends": addresses(MEMBERS, p)} for p in range(POOLS)}
    control = Control(config_of(pools))
    await control.start()
    generations = control._running().generations
    before, slow_before = turns_of(control)
    took = []
    for _ in range(EDGES):
        begin = time.perf_counter()
        generations.publish_soon()  # at once: the one before is long enough ago
        took.append((time.perf_counter() - begin) * 1e3)
        await asyncio.sleep(EDGE_S)
    after, slow = turns_of(control)
    longest = max(i for i, (was, now) in enumerate(zip(before, after, strict=True)) if now > was)
    bounds = (*door.TURN_BUCKETS_S, float("inf"))
    await control.stop()
    control.close()
    return took, bounds[longest] * 1e3, slow - slow_before


def run(bench: Bench) -> Outcome:
    """Both, on all cores."""
    outcome, rows = Outcome(""), []
    with on_all_cores():
        for policy in POLICIES:
            took = asyncio.run(one_more(policy))
            what = f"one more backend in a pool of {BACKENDS:,}, {policy}: adopted by all workers"
            rows.append([what, f"{median(took):.0f} ms", f"{max(took):.0f} ms"])
            outcome.figures[policy] = {"adopted_ms": median(took)}
            outcome.verdicts.append(judge_amount(KEY, what, spread_of(took), ADOPTED_BOUND_MS, "ms"))
        took, longest, slow = asyncio.run(edges())
    what = f"{EDGES} health edges, 18 a second, among {POOLS} pools with Maglev tables"
    rows.append([f"{what}: control, for each", f"{median(took):.1f} ms", f"{max(took):.1f} ms"])
    outcome.verdicts.append(
        judge_fact(KEY, f"longest turn of a worker, {what}", "≤ 10 ms", f"< {longest:.1f} ms, {slow} over 10", not slow)
    )
    outcome.text = "\n".join([f"### {TITLE}", "", *report.lines_of(("", "median", "most"), rows), "", NOTE]) + "\n"
    return outcome
