"""The highest rate at which a proxy loses nothing, and what is lost at four fifths of nginy's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from benchmarks import report, udp_report
from benchmarks.bench import CURVE_ROUNDS, Bench, Outcome
from benchmarks.contest import running
from benchmarks.measure import WARM_S, MeasureError, Spread, spread_of
from benchmarks.proxy import Proxy
from benchmarks.targets import Verdict, judge_fact
from benchmarks.udp import PACE_KEPT, Turns, datagrams, entrants_of, pace_notes, take_turns
from benchmarks.udp_measure import DRAIN_S, begin
from benchmarks.udp_proxies import Direct, Pen
from benchmarks.udp_workloads import CAPACITY, UdpWorkload, paced

NAMES = ("direct", "nginx", "pen", "nginy")
FIRST_RATE = 100_000.0
RATE_LEAST = 1000.0
GROWTH = 1.5
RATE_MAX = 5_000_000.0
PRECISION = 1.03
TRIES = 2
QUEUE_S = 0.01
SHARE = 0.8
NOTE = (
    f"Held: in one of {TRIES} tries nothing was lost, and at the end no more than {QUEUE_S * 1000:g} ms worth of "
    "datagrams were still on their way. The way without a proxy shows what the load itself can do."
)


@dataclass(frozen=True)
class Capacity:
    """Rates in datagrams per second. held: the highest one without a loss.   is_load: the load could not send more."""

    held: float
    is_load: bool


def attempt(bench: Bench, rate: float) -> str:
    """Send at this rate for a while: "held", "lost", or "load" when the load could not keep it up."""
    load = bench.load
    load.pace(rate)
    load.run(WARM_S)
    load.reset()
    took_s = load.run(bench.seconds)
    counts = load.counts
    if counts["errors"]:
        raise MeasureError(f"{counts['errors']} datagrams could not be sent or came torn")
    load.drain(DRAIN_S)
    if load.counts["lost"] or counts["under_way"] > rate * QUEUE_S:
        return "lost"
    return "held" if counts["sent"] >= rate * took_s * PACE_KEPT else "load"


def holds(bench: Bench, rate: float) -> str:
    """As attempt(), the best of a few tries."""
    said = {attempt(bench, rate) for _ in range(TRIES - 1)}
    if "held" not in said:
        said.add(attempt(bench, rate))
    return "held" if "held" in said else "lost" if "lost" in said else "load"


def search(says: Callable[[float], str]) -> Capacity:
    """Ever more until something is lost, then between the two. says: as holds(), of a rate. Raises MeasureError."""
    held, beyond, rate, is_load = 0.0, 0.0, FIRST_RATE, False
    while rate < RATE_MAX and (not beyond or beyond > held * PRECISION):
        said = says(rate)
        if said == "held":
            held = rate
        else:
            beyond, is_load = rate, said == "load"
        rate = (held + beyond) / 2 if beyond else held * GROWTH
        if rate < RATE_LEAST:
            raise MeasureError("it loses datagrams at any rate")
    return Capacity(held, is_load)


def capacity_of(bench: Bench, proxy: Proxy) -> Capacity:
    """Of one proxy, once. Raises MeasureError."""
    try:
        begin(bench, replace(CAPACITY, rate=FIRST_RATE), proxy)
        try:
            return search(partial(holds, bench))
        except MeasureError as error:
            raise MeasureError(f"{proxy.label}, {CAPACITY.key}: {error}") from None
    finally:
        bench.load.stop()


def capacities_of(bench: Bench, proxies: Sequence[Proxy], turns: Turns) -> dict[str, list[Capacity]]:
    """Some rounds of each, in turning order; pen that fails is noted in turns. Raises MeasureError for any other."""
    found: dict[str, list[Capacity]] = {proxy.label: [] for proxy in proxies}
    for number in range(min(bench.rounds, CURVE_ROUNDS)):
        at = number % len(proxies)
        for proxy in [*proxies[at:], *proxies[:at]]:
            if proxy.label in turns.spoilt:
                continue
            try:
                found[proxy.label].append(capacity_of(bench, proxy))
            except MeasureError as error:
                if not isinstance(proxy, Pen):
                    raise
                turns.spoilt[proxy.label] = str(error)
    return {name: rounds for name, rounds in found.items() if rounds}


def median_of(capacities: Sequence[Capacity]) -> Spread:
    """Over the rounds."""
    return spread_of([capacity.held for capacity in capacities])


def rate_below(found: dict[str, list[Capacity]]) -> float:
    """Four fifths of what nginy can take; without it, of nginx."""
    for name in ("nginy", "nginx"):
        if name in found:
            return SHARE * median_of(found[name]).median
    raise MeasureError(f"{CAPACITY.key}: neither nginy nor nginx took part")


def row(name: str, capacities: Sequence[Capacity], below: Turns) -> list[str]:
    """One proxy."""
    spread = median_of(capacities)
    bound = "; the load is the limit" if all(capacity.is_load for capacity in capacities) else ""
    samples = below.groups.get(name, [])
    busy = f"{sum(sample.busy for sample in samples) / len(samples):.0%}" if samples else "–"
    held = f"{spread.median:,.0f} ± {spread.spread:.0%}{bound}"
    return [name, held, udp_report.losses(samples) if samples else "–", busy]


def judged(below: Turns, rate: float) -> list[Verdict]:
    """nginy loses nothing with a fifth to spare."""
    samples = below.groups.get("nginy", [])
    if not samples:
        return []
    lost = sum(sample.lost for sample in samples)
    got = f"{udp_report.losses(samples)} of {sum(sample.sent for sample in samples):,}"
    return [judge_fact(CAPACITY.key, f"lost at {rate:,.0f} a second, {SHARE:.0%} of capacity", "0", got, not lost)]


def run(bench: Bench) -> Outcome:
    """Capacities first, then everybody at four fifths of nginy's, as long as any other workload."""
    with datagrams(bench) as bench, running(bench, entrants_of(bench, NAMES, ("nginx", Direct.name))) as proxies:
        spoilt = Turns()
        found = capacities_of(bench, proxies, spoilt)
        rate = rate_below(found)
        workload: UdpWorkload = replace(paced(CAPACITY.key, rate), compares=NAMES)
        below = take_turns(bench, workload, [proxy for proxy in proxies if proxy.label in found])
    head = ("", "datagrams a second without a loss", f"lost at {rate:,.0f} a second", "busy then")
    title = "UDP one way, runs of 4 x 64 B from one of 1,000 clients, ever faster"
    rows = [row(name, found[name], below) for name in NAMES if name in found]
    lines = [f"### {title}", "", *report.lines_of(head, rows), "", NOTE]
    for note in (*spoilt.notes, *below.notes, *pace_notes(workload, below)):
        lines += ["", note]
    figures = {name: {"held": median_of(rounds).median} for name, rounds in found.items()}
    text = "\n".join(lines) + "\n"
    return Outcome(text, list(below.samples), verdicts=judged(below, rate), figures=figures)
