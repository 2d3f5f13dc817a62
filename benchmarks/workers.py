"""Two workers: does the kernel spread new connections over them, and is every counter right?"""

import time
from typing import Any

from benchmarks import report
from benchmarks.bench import Bench, LeftOut, Outcome
from benchmarks.contest import Entrant, entrants_of, running
from benchmarks.measure import MeasureError, begin
from benchmarks.proxies import Nginy
from benchmarks.proxy import Proxy
from benchmarks.targets import Verdict, judge_fact
from benchmarks.workloads import Workload, connections

KEY = "workers2"
TITLE = "two workers, each with sockets of its own"
WORKERS = 2
CONNECTIONS_MIN = 10_000
SPREAD_MAX = 0.10
DEADLINE_S = 30.0
STEP_S = 0.2
TRAFFIC: Workload = connections(64)


def settled_status(load: Any, proxy: Nginy, sessions_min: int) -> dict[str, Any]:
    """The status once so many sessions have come and none is live. Raises MeasureError."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        load.run(STEP_S)
        status = proxy.status()
        front = status["listeners"][0]
        if front["sessions"] >= sessions_min and not front["sessions_live"]:
            return status
    raise MeasureError(f"{proxy.label}: {front['sessions_live']} sessions are live long after the last client left")


def grown(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """What was added, by name."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


def facts_of(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What nginy counted between two pictures."""
    old, new = before["listeners"][0], after["listeners"][0]
    pairs = list(zip(before["workers"], after["workers"], strict=True))
    backends = list(zip(before["pools"][0]["backends"], after["pools"][0]["backends"], strict=True))
    return {
        "sessions": new["sessions"] - old["sessions"],
        "ends": grown(new["ends"], old["ends"]),
        "bytes_in": new["bytes_in"] - old["bytes_in"],
        "bytes_out": new["bytes_out"] - old["bytes_out"],
        "accepted": [late["counters"]["accepted"] - early["counters"]["accepted"] for early, late in pairs],
        "leases": sum(late["counters"]["leases"] for _early, late in pairs),
        "per_backend": [late["sessions"] - early["sessions"] for early, late in backends],
    }


def facts_wanted(units: int, per_backend: list[int]) -> dict[str, Any]:
    """What the load knows of the same."""
    return {
        "sessions": units,
        "ends": {"closed": units},
        "bytes_in": units * TRAFFIC.message_bytes,
        "bytes_out": units * TRAFFIC.message_bytes,
        "leases": 0,
        "per_backend": per_backend,
    }


def serve(bench: Bench, proxy: Proxy) -> dict[str, Any]:
    """So many connections and no half ones: the last ones are let finish. -> the load's counts. Raises MeasureError."""
    load = bench.load
    try:
        begin(load, bench.modes, TRAFFIC, proxy)
        while load.counts["units"] < CONNECTIONS_MIN:
            load.run(STEP_S)
        if not load.finish(DEADLINE_S) or load.counts["errors"]:
            raise MeasureError(f"{proxy.label}: {load.counts['errors']} errors, {load.counts['clients']} never ended")
        counts: dict[str, Any] = load.counts
        return counts
    finally:
        load.stop()


def judged(got: dict[str, Any], counts: dict[str, Any]) -> list[Verdict]:
    """Both halves of the target."""
    wanted = facts_wanted(counts["units"], counts["per_backend"])
    wrong = [f"{name} {got[name]} instead of {value}" for name, value in wanted.items() if got[name] != value]
    if sum(got["accepted"]) != counts["units"]:
        wrong.append(f"accepted by workers {got['accepted']} instead of {counts['units']} together")
    mean = counts["units"] / WORKERS
    worst = max(abs(share - mean) for share in got["accepted"]) / mean
    said = f"{' and '.join(f'{share:,}' for share in got['accepted'])}: {worst:.1%}"
    return [
        judge_fact(KEY, "every counter equals what the load knows", "all", "; ".join(wrong) or "all", not wrong),
        judge_fact(KEY, f"spread of {counts['units']:,} connections", f"≤ {SPREAD_MAX:.0%}", said, worst <= SPREAD_MAX),
    ]


def run(bench: Bench) -> Outcome:
    """nginy alone, not pinned."""
    kinds = [entrant.kind for entrant in entrants_of(bench, ("nginy",))]
    if Nginy not in kinds:
        raise LeftOut("it is about nginy, which is not wanted")
    entrant = Entrant(Nginy, bench.shape(workers=WORKERS))
    with running(bench, [entrant], is_pinned=False) as proxies:
        proxy = proxies[0]
        assert isinstance(proxy, Nginy)
        before = settled_status(bench.load, proxy, 1)
        counts = serve(bench, proxy)
        sessions_before = before["listeners"][0]["sessions"]
        after = settled_status(bench.load, proxy, sessions_before + counts["units"])
    got = facts_of(before, after)
    verdicts = judged(got, counts)
    rows = [[verdict.what, verdict.target, verdict.got] for verdict in verdicts]
    text = "\n".join([f"### {TITLE}", "", *report.lines_of(("", "target", "got"), rows)]) + "\n"
    return Outcome(text, verdicts=verdicts, figures=got)
