"""How long it takes from the command to the first answered byte, how long a worker takes, and how big it is."""

import contextlib
import datetime
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.bench import Bench, Outcome
from benchmarks.contest import Entrant, entrants_of
from benchmarks.cpu import memory_bytes
from benchmarks.measure import MeasureError, Spread, spread_of
from benchmarks.proxies import Nginy, NginyTalking
from benchmarks.proxy import Proxy, ProxyError
from benchmarks.targets import Verdict, judge_amount
from benchmarks.workloads import PLAIN

KEY = "start"
TITLE = "starting"
ROUNDS_MAX = 9
DEADLINE_S = 15.0
LOOK_S = 0.002
FIRST_BYTE_BOUND_MS = 400.0
WORKER_BOUND_MS = 50.0
RSS_BOUND_MB = 20.0

Event = dict[str, Any]


@contextlib.contextmanager
def unstarted(bench: Bench, entrant: Entrant) -> Iterator[Proxy]:
    """A proxy that is stopped at the end, however far it came. Raises ProxyError for a refused configuration."""
    with tempfile.TemporaryDirectory(prefix="nginy-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        proxy = entrant.kind(folder, entrant.shape, bench.load.ports, bench.stage.proxy_core)
        refusal = proxy.refusal()
        if refusal:
            raise ProxyError(f"{proxy.label} does not take its configuration: {refusal}")
        try:
            yield proxy
        finally:
            proxy.stop()


def first_byte(bench: Bench, entrant: Entrant) -> tuple[float, float]:
    """A client tries again and again from the moment of the command. -> ms to its first answer, MB of a worker.

    Raises MeasureError.
    """
    load = bench.load
    with unstarted(bench, entrant) as proxy:
        begin_s = time.monotonic()
        proxy.spawn()
        try:
            load.start(proxy.port, bench.modes.Mode.PING, 1)
            if not load.settle(DEADLINE_S):
                raise MeasureError(f"{proxy.label} did not answer within {DEADLINE_S:g} s: {proxy.said()}")
            took_ms = (time.monotonic() - begin_s) * 1000
            load.run(0.2)
            return took_ms, memory_bytes(proxy.pids()[-1:], ("Rss",)) / 1e6
        finally:
            load.stop()
            load.run(0.02)


def events_of(proxy: Proxy) -> list[Event]:
    """The log so far; a line that is being written is not in it."""
    lines = (proxy.folder / "output").read_text(errors="replace").split("\n")[:-1]
    return [json.loads(line) for line in lines if line.startswith("{")]


def await_event(proxy: Proxy, is_wanted: Callable[[Event], bool]) -> Event:
    """The first such event, once it is there. Raises MeasureError."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        found = [event for event in events_of(proxy) if is_wanted(event)]
        if found:
            return found[0]
        time.sleep(LOOK_S)
    raise MeasureError(f"{proxy.label} did not log what was waited for: {proxy.said()}")


def worker_ms(bench: Bench) -> float:
    """Kill the worker of a running nginy; -> ms from the next one's spawn to its being ready, as the log has it."""
    with unstarted(bench, Entrant(NginyTalking, bench.shape())) as proxy:
        proxy.spawn()
        proxy.await_port()
        await_event(proxy, lambda event: event["event"] == "serving")
        first = await_event(proxy, lambda event: event["event"] == "worker_started")
        os.kill(first["pid"], signal.SIGKILL)
        ready = await_event(proxy, lambda event: event["event"] == "worker_ready" and event["pid"] != first["pid"])
        started = await_event(proxy, lambda event: event["event"] == "worker_started" and event["pid"] == ready["pid"])
    begin, end = (datetime.datetime.fromisoformat(event["time"]) for event in (started, ready))
    return (end - begin).total_seconds() * 1000


def run(bench: Bench) -> Outcome:
    """Pinned to one core, control and worker together. Every start is a fresh process with warm files."""
    rounds = range(min(bench.rounds, ROUNDS_MAX))
    entrants = entrants_of(bench, PLAIN)
    starts = {entrant.kind.name: [first_byte(bench, entrant) for _ in rounds] for entrant in entrants}
    rows, outcome = [], Outcome("")
    for name, taken in starts.items():
        took_ms, rss_mb = (spread_of([pair[place] for pair in taken]) for place in (0, 1))
        rows.append([name, f"{took_ms.median:,.0f} ms ± {took_ms.spread:.0%}", "–", f"{rss_mb.median:.1f} MB"])
        outcome.figures[name] = {"first_byte_ms": took_ms.median, "worker_rss_mb": rss_mb.median}
        if name == Nginy.name:
            worker = spread_of([worker_ms(bench) for _ in rounds])
            rows[-1][2] = f"{worker.median:,.0f} ms ± {worker.spread:.0%}"
            outcome.figures[name]["worker_ms"] = worker.median
            outcome.verdicts += judged(took_ms, worker, rss_mb)
    outcome.text = text_of(rows)
    return outcome


def judged(first_ms: Spread, worker: Spread, rss_mb: Spread) -> list[Verdict]:
    """nginy's three targets."""
    return [
        judge_amount(KEY, "a worker's start", worker, WORKER_BOUND_MS, "ms"),
        judge_amount(KEY, "from the command to the first byte", first_ms, FIRST_BYTE_BOUND_MS, "ms"),
        judge_amount(KEY, "resident memory of a worker", rss_mb, RSS_BOUND_MB, "MB", digits=1),
    ]


def text_of(rows: Sequence[Sequence[str]]) -> str:
    """The table and how it was read."""
    note = (
        "First byte: a client that tries to connect about every millisecond, from the command on. A worker's start: "
        "nginy's own log, from the process being there to its being ready, after its predecessor was killed. Memory: "
        "the resident set, pages shared with other processes included."
    )
    head = ("", "command to first byte", "a worker's start", "resident memory of a worker")
    return "\n".join([f"### {TITLE}", "", *report.lines_of(head, rows), "", note]) + "\n"
