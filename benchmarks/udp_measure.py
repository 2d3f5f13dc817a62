"""One measurement over UDP: as over TCP, but that what is lost is counted and spoils nothing."""

import time
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.bench import Bench
from benchmarks.cpu import cpu_time, machine_busy_s
from benchmarks.measure import SETTLE_S, WARM_S, MeasureError, Sample, Window, calibrate, sample_of
from benchmarks.proxy import Proxy
from benchmarks.udp_workloads import UdpWorkload

DRAIN_S = 1.0
LATE_COUNTS = ("lost", "foreign", "misordered", "stale")


@dataclass(frozen=True)
class UdpSample(Sample):
    """One proxy, one workload, one round.

    sent, lost: datagrams (or queries) since the warm-up; what was still under way at the end was waited for.
    foreign: answers that a client got and another had asked for.   misordered: datagrams that came behind a later one
    of the same client.   stale: answers that came when nobody waited for them any more.   ports: different ports from
    which the proxy sent to the backends.
    """

    sent: int = 0
    lost: int = 0
    foreign: int = 0
    misordered: int = 0
    stale: int = 0
    ports: int = 0


def begin(bench: Bench, workload: UdpWorkload, proxy: Proxy) -> None:
    """Open the clients and wait until the first datagram of each got through. Raises MeasureError."""
    load = bench.load
    load.start(
        proxy.port,
        getattr(bench.modes.Mode, workload.mode),
        workload.clients,
        workload.message_bytes,
        run=workload.run,
        window=workload.window,
        rate=workload.rate,
        is_segmented=workload.is_segmented,
        has_gro=workload.has_gro,
    )
    settled = load.settle(SETTLE_S)
    if settled < workload.settled_least:
        said = f"only {settled} of {workload.settled_least} clients got through"
        raise MeasureError(f"{proxy.label}, {workload.key}: {said}")


def measure(bench: Bench, workload: UdpWorkload, proxy: Proxy, number: int) -> UdpSample:
    """One round. Raises MeasureError when clients did not settle, or when anything was refused or came torn."""
    load = bench.load
    slowness = calibrate(load, bench.stage)
    try:
        begin(bench, workload, proxy)
        load.run(WARM_S)
        load.reset()
        pids = proxy.pids()
        machine_s, load_s, before = machine_busy_s(), time.process_time(), cpu_time(pids)
        took_s = load.run(bench.seconds)
        spent = cpu_time(pids) - before
        load_s, machine_s = time.process_time() - load_s, machine_busy_s() - machine_s
        counts = load.counts
        load.drain(DRAIN_S)
        counts |= {name: load.counts[name] for name in LATE_COUNTS}
    finally:
        load.stop()
    window = Window(took_s, spent, load_s, machine_s, max(slowness, calibrate(load, bench.stage)))
    return with_losses(sample_of(load, workload, proxy, number, counts, window), counts)


def with_losses(sample: Sample, counts: dict[str, Any]) -> UdpSample:
    """The sample with what only UDP has; "load busy" without the time in which the load polled in vain."""
    plain = UdpSample(**vars(sample))
    return replace(
        plain,
        load_busy=max(0.0, plain.load_busy - counts["idle_ns"] / 1e9 / plain.seconds),
        sent=counts["sent"],
        lost=counts["lost"],
        foreign=counts["foreign"],
        misordered=counts["misordered"],
        stale=counts["stale"],
        ports=counts["ports"],
    )
