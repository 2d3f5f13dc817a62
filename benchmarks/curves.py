"""CPU per unit as the work grows: connections, backends, and the size of a transfer."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks import report
from benchmarks.bench import CURVE_ROUNDS, CURVE_SECONDS, Bench, Outcome
from benchmarks.contest import entrants_of, points_of, running, take_turns
from benchmarks.measure import Sample
from benchmarks.workloads import PLAIN, Workload, connections, round_trips, transfers

CONNECTIONS = (1, 4, 16, 64, 256, 1000, 3000, 9000)
BACKENDS = (1, 3, 10, 30, 100, 300, 1000)
KIB, MIB = 2**10, 2**20
SIZES = (KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 16 * MIB, 128 * MIB, 1024 * MIB)
TRANSFER_CLIENTS = 4


def shorter(bench: Bench) -> Bench:
    """A curve has many places: fewer and shorter rounds for each."""
    return replace(bench, rounds=min(bench.rounds, CURVE_ROUNDS), seconds=min(bench.seconds, CURVE_SECONDS))


def over_workloads(bench: Bench, name: str, places: Sequence[tuple[int, Workload]]) -> Outcome:
    """The same proxies all along."""
    outcome = Outcome("")
    with running(bench, entrants_of(bench, PLAIN)) as proxies:
        for x, workload in places:
            add(outcome, name, x, take_turns(bench, workload, proxies))
    return outcome


def add(outcome: Outcome, name: str, x: int, samples: list[Sample]) -> None:
    """One place more."""
    outcome.samples += samples
    outcome.points += points_of(name, x, samples)


def run_connections(bench: Bench) -> Outcome:
    """Round trips on ever more kept connections."""
    places = [(clients, round_trips(clients)) for clients in CONNECTIONS]
    outcome = over_workloads(shorter(bench), "connections", places)
    title = "curve: round trips of 64 B on kept connections"
    outcome.text = report.curve_table(title, "connections", "round trip", outcome.points)
    return outcome


def run_sizes(bench: Bench) -> Outcome:
    """Ever bigger answers. The text has both, per transfer and per byte."""
    places = [(size, transfers(size, TRANSFER_CLIENTS)) for size in SIZES]
    outcome = over_workloads(shorter(bench), "sizes", places)
    title = f"curve: a request and an answer of ever more bytes, {TRANSFER_CLIENTS} kept connections"
    whole = report.curve_table(title, "bytes", "transfer", outcome.points)
    per_kib = [
        replace(
            point,
            cpu_per_unit=point.cpu_per_unit / point.x * KIB,
            user_per_unit=point.user_per_unit / point.x * KIB,
            system_per_unit=point.system_per_unit / point.x * KIB,
        )
        for point in outcome.points
    ]
    outcome.text = whole + "\n" + report.curve_table(f"{title}: per KiB", "bytes", "KiB", per_kib, False)
    return outcome


def run_backends(bench: Bench) -> Outcome:
    """New connections over ever more backends; every place starts its proxies anew."""
    bench = shorter(bench)
    outcome = Outcome("")
    for backends in BACKENDS:
        with running(bench, entrants_of(bench, PLAIN, bench.shape(backends=backends))) as proxies:
            add(outcome, "backends", backends, take_turns(bench, connections(64, PLAIN), proxies))
    title = "curve: new connections, 64 at a time, over ever more backends"
    outcome.text = report.curve_table(title, "backends", "connection", outcome.points)
    return outcome


CURVES: dict[str, Callable[[Bench], Outcome]] = {
    "curve-connections": run_connections,
    "curve-backends": run_backends,
    "curve-sizes": run_sizes,
}
