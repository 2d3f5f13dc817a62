"""HTTP: wrk and an nginx as backend on the load's core, proxies that take turns on theirs."""

import contextlib
import math
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import report, web_proxies, web_tls
from benchmarks.bench import Bench, LeftOut, Outcome
from benchmarks.contest import REFERENCE, Entrant, grouped, running, undisturbed
from benchmarks.cpu import cpu_time, machine_busy_s
from benchmarks.measure import MeasureError, Sample, Window, calibrate, sample_of, summarise
from benchmarks.proxy import Proxy, Shape
from benchmarks.targets import judge
from benchmarks.workloads import PLAIN, Workload

WARM_S = 1
UNIT_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}
UNIT_BYTES = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


@dataclass(frozen=True)
class WebWorkload(Workload):
    """path: what is asked for.   is_kept: whether clients keep their connections.   is_tls: whether they speak TLS."""

    path: str = "/small"
    is_kept: bool = True
    is_tls: bool = False


def _requests(key: str, title: str, clients: int, **more: Any) -> WebWorkload:
    return WebWorkload(key, title, "", clients, "request", 1e6, "µs", more.pop("compares", PLAIN), **more)


ROWS = (
    _requests("http-kept", "HTTP, answers of 64 B, 64 kept connections", 64),
    _requests("http-new", "HTTP, answers of 64 B, a new connection for each, 64 at a time", 64, is_kept=False),
    _requests(
        "http-large", "HTTP, answers of 1 MiB, 16 kept connections", 16, path="/large",
        compares=("haproxy", "haproxy splice-auto", "nginx", "nginy"),
    ),
    _requests(
        "http-routes", "HTTP, answers of 64 B, 64 kept connections, among so many routes", 64, path="/routed/small",
        compares=("haproxy", "nginy 10 routes", "nginy 10,000 routes"),
    ),
    _requests("tls-kept", "HTTPS, answers of 64 B, 64 kept connections", 64, is_tls=True),
    _requests(
        "tls-new", "HTTPS, answers of 64 B, a connection and a handshake for each, 64 at a time", 64, is_kept=False,
        is_tls=True,
    ),
    _requests("tls-large", "HTTPS, answers of 1 MiB, 16 kept connections", 16, path="/large", is_tls=True),
)  # fmt: skip


@dataclass
class Wrk:
    """The load: one thread of wrk, pinned. said: of its last run."""

    tcp_load: Any
    ports: list[int]
    core: int
    counts: dict[str, int] = field(default_factory=dict)
    percentiles_us: dict[str, float] = field(default_factory=dict)

    def calibrate(self, steps: int) -> float:
        return float(self.tcp_load.calibrate(steps))

    def percentile_us(self, share: float) -> float:
        return self.percentiles_us[f"{share * 100:g}"]

    def run(self, workload: WebWorkload, port: int, seconds: float) -> float:
        """Seconds that it took. Raises MeasureError when wrk fails."""
        scheme = "https" if workload.is_tls else "http"
        command = ["taskset", "-c", str(self.core), "wrk", "-t1", f"-c{workload.clients}", "--latency"]
        command += [f"-d{math.ceil(seconds)}s", f"{scheme}://127.0.0.1:{port}{workload.path}"]
        command += [] if workload.is_kept else ["-H", "Connection: close"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MeasureError(f"wrk: {done.stdout}{done.stderr}")
        self.counts = counts_of(done.stdout)
        self.percentiles_us = percentiles_of(done.stdout)
        return seconds_of(done.stdout)


def counts_of(said: str) -> dict[str, int]:
    """units, bytes and errors in what wrk says."""
    done = re.search(r"(\d+) requests in [^,]+, ([\d.]+)([KMG]?B) read", said)
    if not done:
        raise MeasureError(f"wrk: {said}")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    n_errors = sum(map(int, errors.groups())) if errors else 0
    n_errors += int(refused[1]) if refused else 0
    return {"units": int(done[1]), "bytes": int(float(done[2]) * UNIT_BYTES[done[3]]), "errors": n_errors}


def percentiles_of(said: str) -> dict[str, float]:
    """Microseconds by percentile."""
    found = re.findall(r"^ +(\d+)% +([\d.]+)(us|ms|s|m)$", said, re.M)
    return {share: float(value) * UNIT_US[unit] for share, value, unit in found}


def seconds_of(said: str) -> float:
    took = re.search(r"requests in ([\d.]+)(us|ms|s|m),", said)
    if not took:
        raise MeasureError(f"wrk: {said}")
    return float(took[1]) * UNIT_US[took[2]] / 1e6


def measure(bench: Bench, workload: WebWorkload, backend: Proxy, proxy: Proxy, number: int) -> Sample:
    """One round: CPU of the whole run of wrk after another one to warm up. Raises MeasureError."""
    load = bench.load
    slowness = calibrate(load, bench.stage)
    load.run(workload, proxy.port, WARM_S)
    pids, behind = proxy.pids(), backend.pids()
    machine_s, load_s, before = machine_busy_s(), load_cpu_s(behind), cpu_time(pids)
    took_s = load.run(workload, proxy.port, bench.seconds)
    spent = cpu_time(pids) - before
    load_s, machine_s = load_cpu_s(behind) - load_s, machine_busy_s() - machine_s
    window = Window(took_s, spent, load_s, machine_s, max(slowness, calibrate(load, bench.stage)))
    return sample_of(load, workload, proxy, number, load.counts, window)


def load_cpu_s(backend_pids: list[int]) -> float:
    """Of wrk, once it has ended, and of the backend."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime + cpu_time(backend_pids).total_s


@contextlib.contextmanager
def stage_of(bench: Bench) -> Iterator[tuple[Bench, Proxy]]:
    """The same bench with wrk as its load, and the backend. Raises LeftOut."""
    for program in ("wrk", "nginx"):
        if shutil.which(program) is None:
            raise LeftOut(f"{program} is not installed")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nginy-bench-")))
        folder.chmod(0o755)
        backend = stack.enter_context(web_proxies.backend(folder, bench.stage.load_core))
        yield replace(bench, load=Wrk(bench.load, [backend.port], bench.stage.load_core)), backend


def entrants_of(bench: Bench, names: Sequence[str], is_tls: bool = False) -> list[Entrant]:
    """The installed ones that are wanted, and always the reference."""
    known = web_tls.ALL if is_tls else web_proxies.ALL
    kinds = [kind for kind in known if kind.name in names and kind.is_installed()]
    shape = Shape(has_same_options=False)
    return [Entrant(kind, shape) for kind in kinds if not bench.only or kind.name in (*bench.only, REFERENCE)]


def row(workload: WebWorkload, bench: Bench) -> Outcome:
    """One workload: every proxy beside haproxy, and the targets."""
    samples = []
    with stage_of(bench) as (bench, backend), running(
        bench, entrants_of(bench, workload.compares, workload.is_tls)
    ) as proxies:
        for number in range(bench.rounds):
            turn = number % len(proxies)
            for proxy in [*proxies[turn:], *proxies[:turn]]:
                samples.append(undisturbed(partial(measure, bench, workload, backend, proxy, number)))
    groups = grouped(samples)
    summaries = [summarise(group, groups.get(REFERENCE, [])) for group in groups.values()]
    return Outcome(report.table(workload, summaries), samples, summaries, judge(workload.key, samples))
