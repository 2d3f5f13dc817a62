"""How long requests take at seven tenths of the rate that HAProxy can serve; the load sends on time, whoever waits."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks import report, web
from benchmarks.bench import Bench, LeftOut, Outcome
from benchmarks.contest import REFERENCE, running
from benchmarks.measure import MeasureError, Spread, spread_of
from benchmarks.proxy import Proxy
from benchmarks.targets import Verdict, judge_ratio

KEY = "http-latency"
TITLE = "HTTP, answers of 64 B at a given rate: 70 % of what haproxy can do, 64 kept connections"
CLIENTS = 64
SHARE = 0.7
SUCCESS = range(200, 300)
COMPARES = ("haproxy", "nginx", "nginy")
NOTE = "By h2load, which sends on time whether or not earlier answers are there, one request per connection at once."


def times_of(log: str) -> list[int]:
    """Microseconds of each request in a log of h2load: start, status, time. Raises MeasureError for a failed one."""
    times = []
    for line in log.splitlines():
        _, status, duration = line.split("\t")
        if int(status) not in SUCCESS:
            raise MeasureError(f"h2load: a request ended with {status}")
        times.append(int(duration))
    if not times:
        raise MeasureError("h2load: no request was answered")
    return sorted(times)


def at(times: Sequence[int], share: float) -> float:
    """The time that so many of the sorted ones do not exceed."""
    return float(times[min(len(times) - 1, int(len(times) * share))])


def load(port: int, rate: int, seconds: float, core: int, log: Path) -> list[int]:
    """One run; sorted microseconds. Raises MeasureError."""
    log.unlink(missing_ok=True)
    command = ["taskset", "-c", str(core), "h2load", "--h1", f"-c{CLIENTS}", "-t1", f"--rps={rate}"]
    command += [
        f"-D{max(1, round(seconds))}",
        "--warm-up-time=1",
        f"--log-file={log}",
        f"http://127.0.0.1:{port}/small",
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode or not log.exists():
        raise MeasureError(f"h2load: {done.stdout}{done.stderr}")
    return times_of(log.read_text())


def capacity_of(bench: Bench, proxies: Sequence[Proxy]) -> float:
    """Requests a second that the reference serves when it is given all it takes."""
    kept = next(workload for workload in web.ROWS if workload.key == "http-kept")
    reference = next(proxy for proxy in proxies if proxy.name == REFERENCE)
    rates: list[float] = []
    for _ in range(3):
        took_s = bench.load.run(kept, reference.port, max(1.0, bench.seconds))
        rates.append(bench.load.counts["units"] / took_s)
    return median(rates)


@contextlib.contextmanager
def stage_of(bench: Bench) -> Iterator[tuple[Bench, list[Proxy]]]:
    """The bench with its load, and the proxies. Raises LeftOut."""
    if shutil.which("h2load") is None:
        raise LeftOut("h2load is not installed: nghttp2-client")
    with web.stage_of(bench) as (staged, _), running(staged, web.entrants_of(staged, COMPARES)) as proxies:
        yield staged, list(proxies)


def ratio_of(mine: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Round by round."""
    return spread_of([one / other for one, other in zip(mine, theirs, strict=True)])


def judged(tails: dict[str, list[float]]) -> list[Verdict]:
    """The target: a tail that is not longer than the reference's."""
    return [judge_ratio(KEY, f"p99, nginy / {REFERENCE}", ratio_of(tails["nginy"], tails[REFERENCE]), 1.0)]


def run(bench: Bench) -> Outcome:
    """All proxies at the same rate, in turns."""
    middles: dict[str, list[float]] = {}
    tails: dict[str, list[float]] = {}
    with stage_of(bench) as (staged, proxies):
        rate = max(1, int(capacity_of(staged, proxies) * SHARE / CLIENTS))  # of a connection
        for number in range(bench.rounds):
            turn = number % len(proxies)
            for proxy in [*proxies[turn:], *proxies[:turn]]:
                times = load(proxy.port, rate, bench.seconds, bench.stage.load_core, proxy.folder / "h2load.log")
                middles.setdefault(proxy.name, []).append(at(times, 0.5))
                tails.setdefault(proxy.name, []).append(at(times, 0.99))
    head = ("", "p50", "p99", f"p99 ratio to {REFERENCE} (lowest to highest, ± spread)", "requests a second")
    rows = []
    for name in middles:
        ratio = ratio_of(tails[name], tails[REFERENCE])
        said = f"**{ratio.median:.2f}** ({ratio.low:.2f} to {ratio.high:.2f}, ± {ratio.spread:.0%})"
        times_us = (f"{median(of[name]):,.0f} µs" for of in (middles, tails))
        rows.append([name, *times_us, said, f"{rate * CLIENTS:,}"])
    lines = [f"### {TITLE}", "", *report.lines_of(head, rows), "", NOTE]
    return Outcome("\n".join(lines) + "\n", [], verdicts=judged(tails))
