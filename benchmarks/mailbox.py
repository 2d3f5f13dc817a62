"""Policies in Python: how many choices a policy process makes, how long a worker waits for one, and what it misses.

First a mailbox alone, asked from C at a fixed rate. Then datagrams through a proxy, each a flow of its own and asked
for, beside the same with a native policy; a TCP listener next to it tells what others notice.
"""

import asyncio
import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nginy._fast.testmail import Poster

import nginy
from benchmarks import report
from benchmarks.bench import Bench, Outcome
from benchmarks.cpu import cpu_time, machine_busy_s
from benchmarks.measure import on_all_cores, spread_of
from benchmarks.targets import Verdict, judge_amount, judge_fact, judge_ratio
from nginy._fast import door
from nginy.balancer.process import pack_link, read_link
from nginy.control.mailboxes import Mailboxes
from nginy.control.policyhost import HostOrder, start_host

KEY = "mailbox"
TITLE = "policies in Python"
FOLDER = str(Path(__file__).resolve().parents[1])
RATE = 30_000
QUESTIONS = 60_000
BACKENDS = 10
DATAGRAMS = 10_000
BURST = 10
FALLBACKS_MOST = 1.0
OTHERS_MOST = 1.2
MEMORY_BYTES = 2**30


class Pick:
    """By the client's port."""

    def build(self, backends: Any) -> None:
        self.backends = list(backends)

    def choose(self, context: Any, attempt: int) -> Any:
        return self.backends[context.source_port % len(self.backends)]


class Idlest(Pick):
    """The fewest in flight."""

    def choose(self, context: Any, attempt: int) -> Any:
        return min(self.backends, key=lambda backend: backend.in_flight)


class PickSoon(Pick):
    """The same as Pick, as a coroutine."""

    async def choose(self, context: Any, attempt: int) -> Any:
        return self.backends[context.source_port % len(self.backends)]


# ---- the mailbox alone ----


@dataclass(frozen=True)
class Asked:
    """One run. Times in microseconds, from the question to the taking of its answer."""

    p50_us: float
    p99_us: float
    answered: int
    missed: int
    per_s: float
    cpu_us: float


@contextmanager
def apart_from(pid: int) -> Iterator[None]:
    """The asking side, which never sleeps, on the first core; the policy process on the others."""
    all_cores = sorted(os.sched_getaffinity(0))
    if len(all_cores) > 1:
        os.sched_setaffinity(0, all_cores[:1])
        os.sched_setaffinity(pid, all_cores[1:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


async def ask(call: str, rate: float, burst: int) -> Asked:
    """One policy process and one mailbox, from C."""
    boxes, board_fd = Mailboxes.make(1), door.board_create(1)
    order = HostOrder((FOLDER,), MEMORY_BYTES)
    host, link = start_host(order, "process", board_fd, boxes.question_bell, boxes.boxes, lambda *_: None)
    reader, host.writer = await asyncio.open_connection(sock=link)
    rows = [(number, f"10.0.0.{number}:80", 1, 0, True) for number in range(BACKENDS)]
    pools = {"p": {"id": 0, "ring": 0, "backends": rows}}
    policies = {"p": (call, "python", {})}
    host.writer.write(pack_link({"policies": policies, "folders": [FOLDER], "memory_bytes": MEMORY_BYTES}))
    host.writer.write(pack_link({"reasons": door.REASONS, "listeners": {}, "pools": pools}))
    said = await read_link(reader)
    if said != {"kind": "ready"}:
        raise RuntimeError(f"the policy process says {said}")
    poster = Poster(*boxes.mail(0))
    with apart_from(host.pid):
        poster.drive(QUESTIONS // 10, RATE, 1, 0)
        before = cpu_time([host.pid])
        times, unanswered, refused, took_s = poster.drive(QUESTIONS, rate, burst, 0)
    spent = cpu_time([host.pid]) - before
    host.end()
    boxes.close()
    cuts = statistics.quantiles(times, n=100)
    count, missed = len(times), unanswered + refused
    return Asked(cuts[49], cuts[98], count, missed, count / took_s, spent.total_s / count * 1e6)


def mailbox_rows(rounds: int) -> tuple[list[list[str]], list[Verdict], dict[str, Any]]:
    rows, verdicts, figures = [], [], {}
    for name in ("Pick", "Idlest", "PickSoon"):
        for burst in (1, 16):
            runs = [asyncio.run(ask(f"benchmarks.mailbox:{name}", RATE, burst)) for _ in range(rounds)]
            p99, p50, cpu = (spread_of([getattr(run, at) for run in runs]) for at in ("p99_us", "p50_us", "cpu_us"))
            label = f"{name}, {RATE:,} a second, {burst} at once"
            cells = [f"{p50.median:,.0f} µs", f"{p99.median:,.0f} µs ± {p99.spread:.0%}", f"{cpu.median:.1f} µs"]
            rows.append([label, *cells, f"{max(run.missed for run in runs):,}"])
            figures[label] = {"p50_us": p50.median, "p99_us": p99.median, "cpu_us": cpu.median}
            if name == "Pick":
                verdicts.append(judge_amount(KEY, f"p99 of {label}", p99, 1000, "µs"))
                slowest = min(run.per_s for run in runs)
                fact = f"{slowest:,.0f}, {max(run.missed for run in runs)} missed"
                verdicts.append(judge_fact(KEY, label, f"≥ {RATE:,}", fact, slowest >= RATE * 0.99))
    return rows, verdicts, figures


# ---- in the proxy ----


@dataclass(frozen=True)
class Proxied:
    """One run. p99_us: of echoes through the TCP listener beside.   busy: share of all cores."""

    rate: float
    fallbacks: float
    p99_us: float
    busy: float
    why: str


@contextmanager
def backends_of(count: int) -> Iterator[list[str]]:
    """Sockets that nobody reads: their share of the machine is nothing."""
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    yield [f"127.0.0.1:{sock.getsockname()[1]}" for sock in socks]
    for sock in socks:
        sock.close()


@contextmanager
def echo_backend() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                while data := sock.recv(4096):
                    sock.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def tree_of(policy: Any, backends: list[str], beside: str) -> dict[str, Any]:
    session = {"requests": 1, "responses": 0, "idle": "1s"}
    return {
        "version": 1,
        "runtime": {"workers": 1},
        "pools": {"asked": {"policy": policy, "backends": backends}, "beside": {"backends": [beside]}},
        "listeners": {
            "datagrams": {"bind": "127.0.0.1:0", "protocol": "udp", "pool": "asked", "session": session},
            "beside": {"bind": "127.0.0.1:0", "pool": "beside"},
        },
    }


def send(port: int, per_s: float, seconds: float) -> float:
    """Datagrams in bursts at this rate, as many as there is time for. -> how many a second it were."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        begin, count = time.monotonic(), 0
        while (now := time.monotonic()) < begin + seconds:
            if count > (now - begin) * per_s:
                time.sleep(BURST / per_s / 2)
                continue
            for _ in range(BURST):
                sock.send(b"0123456789abcdef")
            count += BURST
        return count / (time.monotonic() - begin)


def echo_times(port: int, until: threading.Event) -> list[float]:
    times = []
    with socket.create_connection(("127.0.0.1", port)) as sock:
        while not until.is_set():
            began = time.perf_counter()
            sock.sendall(b"x")
            sock.recv(1)
            times.append((time.perf_counter() - began) * 1e6)
            time.sleep(0.001)
    return times


def proxied(policy: Any, per_s: float, seconds: float) -> Proxied:
    """One proxy with this policy under such a load."""
    with backends_of(BACKENDS) as backends, echo_backend() as beside:
        with nginy.Server(tree_of(policy, backends, beside), spawn="process") as server:
            port = int(server.addresses["datagrams"][0].rpartition(":")[2])
            times: list[float] = []
            is_over = threading.Event()
            echoes = threading.Thread(target=lambda: times.extend(echo_times(server.ports["beside"][0], is_over)))
            echoes.start()
            send(port, min(per_s, DATAGRAMS), 0.5)
            began_s, busy_s, before = time.monotonic(), machine_busy_s(), choices_of(server)
            rate = send(port, per_s, seconds)
            took_s, busy_s = time.monotonic() - began_s, machine_busy_s() - busy_s
            is_over.set()
            echoes.join()
            after = choices_of(server)
    asked = after["asked"] - before["asked"]
    missed = [now - then for now, then in zip(after["misses"], before["misses"], strict=True)]
    why = ", ".join(f"{name} {n:,}" for name, n in zip(door.MISSES, missed, strict=True) if n) or "–"
    p99_us = statistics.quantiles(times, n=100)[98]
    return Proxied(rate, sum(missed) / asked * 100 if asked else 0.0, p99_us, busy_s / took_s / cores(), why)


def choices_of(server: nginy.Server) -> dict[str, Any]:
    pool = next(pool for pool in server.view().pools if pool.name == "asked")
    return dict(pool.choices or {"asked": 0, "misses": (0,) * len(door.MISSES)})


def cores() -> int:
    return len(os.sched_getaffinity(0))


def proxy_rows(rounds: int, seconds: float) -> tuple[list[list[str]], list[Verdict], dict[str, Any]]:
    python = {"kind": "python", "call": "benchmarks.mailbox:Pick", "deadline": "5ms"}
    rows, verdicts, figures = [], [], {}
    base = [proxied("round_robin", DATAGRAMS, seconds) for _ in range(rounds)]
    ours = [proxied(python, DATAGRAMS, seconds) for _ in range(rounds)]
    full = [proxied(python, 1e9, seconds) for _ in range(rounds)]
    for label, runs in (("round_robin", base), ("python", ours), ("python, as fast as one sender can", full)):
        missed, p99, busy = (spread_of([getattr(run, at) for run in runs]) for at in ("fallbacks", "p99_us", "busy"))
        rate = statistics.median(run.rate for run in runs)
        cells = [f"{rate:,.0f}", f"{missed.median:.2f} %", f"{p99.median:,.0f} µs", f"{busy.median:.0%}", runs[-1].why]
        rows.append([label, *cells])
        figures[label] = {"rate": rate, "fallbacks_percent": missed.median, "beside_p99_us": p99.median}
    missed = spread_of([run.fallbacks for run in ours])
    verdicts.append(judge_amount(KEY, "fallbacks at 5 ms", missed, FALLBACKS_MOST, "%", digits=2))
    ratio = spread_of([mine.p99_us / theirs.p99_us for mine, theirs in zip(ours, base, strict=True)])
    verdicts.append(judge_ratio(KEY, "p99 of a TCP listener beside, python / round_robin", ratio, OTHERS_MOST))
    return rows, verdicts, figures


def run(bench: Bench) -> Outcome:
    """Both tables."""
    rounds = min(bench.rounds, 5)
    with on_all_cores():
        alone, alone_verdicts, alone_figures = mailbox_rows(rounds)
        inside, inside_verdicts, inside_figures = proxy_rows(rounds, bench.seconds)
    head = ("asked from C", "p50", "p99", "CPU of a choice", "missed")
    inside_head = (f"UDP, a flow for each of {DATAGRAMS:,} datagrams a second", "sent a second", "by the fallback",
                   "p99 of TCP echoes beside", "machine busy", "why")  # fmt: skip
    lines = [f"### {TITLE}", "", *report.lines_of(head, alone), "", *report.lines_of(inside_head, inside)]
    verdicts = [*alone_verdicts, *inside_verdicts]
    return Outcome("\n".join(lines) + "\n", verdicts=verdicts, figures=alone_figures | inside_figures)
