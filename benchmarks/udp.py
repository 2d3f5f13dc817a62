"""Proxies that take turns in a workload over UDP."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from benchmarks import report, udp_proxies, udp_report
from benchmarks.bench import Bench, LeftOut, Outcome
from benchmarks.build_load import UDP, load_module
from benchmarks.contest import TRIES, Entrant, running
from benchmarks.measure import MeasureError, Sample, Stage, Summary, summarise
from benchmarks.proxy import Proxy
from benchmarks.targets import Verdict, judge, judge_fact
from benchmarks.udp_measure import UdpSample, measure
from benchmarks.udp_proxies import Pen
from benchmarks.udp_workloads import UdpWorkload

PACE_KEPT = 0.99


@dataclass
class Turns:
    """What the rounds of a workload gave. spoilt: why a peer was left out after its first failure, by name."""

    samples: list[UdpSample] = field(default_factory=list)
    spoilt: dict[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> dict[str, list[UdpSample]]:
        """By proxy, in the order of the first round."""
        names = dict.fromkeys(sample.proxy for sample in self.samples)
        return {name: [sample for sample in self.samples if sample.proxy == name] for name in names}

    @property
    def notes(self) -> list[str]:
        return [f"{name} is left out: {why}." for name, why in self.spoilt.items()]


@contextlib.contextmanager
def datagrams(bench: Bench) -> Iterator[Bench]:
    """The same bench with the load of UDP. Raises LeftOut."""
    modes = load_module(UDP)
    try:
        load = modes.Load()
    except OSError as error:
        raise LeftOut(str(error)) from None
    stage = Stage(bench.stage.proxy_core, bench.stage.load_core)
    try:
        yield replace(bench, load=load, modes=modes, stage=stage)
    finally:
        load.close()


def entrants_of(bench: Bench, names: Sequence[str], always: Sequence[str]) -> list[Entrant]:
    """The installed ones of these that are wanted. always: they are, whatever was asked for. Raises LeftOut."""
    wanted = [udp_proxies.kind_named(name) for name in names if not bench.only or name in (*bench.only, *always)]
    found = [Entrant(kind, bench.shape()) for kind in wanted if kind.is_installed()]
    if not found:
        raise LeftOut("none of its proxies is installed")
    return found


def undisturbed(bench: Bench, once: Callable[[], UdpSample]) -> UdpSample:
    """The first sample while the machine was quiet and as fast as it can be; else the best of a few."""
    samples: list[UdpSample] = []
    while len(samples) < TRIES:
        samples.append(once())
        if samples[-1].others <= report.OTHERS_MAX and samples[-1].slowness <= report.SLOWNESS_MAX:
            break
    return min(samples, key=lambda sample: max(sample.others, sample.slowness))


def take_turns(bench: Bench, workload: UdpWorkload, proxies: Sequence[Proxy]) -> Turns:
    """Every round takes each proxy once, in turning order.

    pen that fails is left out from then on; Raises MeasureError for any other.
    """
    turns = Turns()
    for number in range(bench.rounds):
        at = number % len(proxies)
        for proxy in [*proxies[at:], *proxies[:at]]:
            if proxy.label in turns.spoilt:
                continue
            try:
                turns.samples.append(undisturbed(bench, partial(measure, bench, workload, proxy, number)))
            except MeasureError as error:
                if not isinstance(proxy, Pen):
                    raise
                turns.spoilt[proxy.label] = str(error)
    return turns


def summaries_of(workload: UdpWorkload, turns: Turns) -> list[Summary]:
    """In the order of the workload."""
    base: Sequence[Sample] = turns.groups.get(workload.base, [])
    return [summarise(turns.groups[name], base) for name in workload.compares if name in turns.groups]


def pace_notes(workload: UdpWorkload, turns: Turns) -> list[str]:
    """Whose rounds were not what the workload says, for the load came behind its own pace."""
    notes = []
    for name, samples in turns.groups.items():
        share = min(sample.sent / sample.seconds for sample in samples) / (workload.rate or math.inf)
        if workload.rate and share < PACE_KEPT:
            notes.append(f"{name}: the load sent only {share:.0%} of the rate in one round; measure again.")
    return notes


def judged(workload: UdpWorkload, turns: Turns) -> list[Verdict]:
    """The ratios, and that this project lost nothing at a rate that it can take, and confused nothing."""
    verdicts = judge(workload.key, turns.samples)
    for name, samples in turns.groups.items():
        if name.startswith("nginy"):
            got = udp_report.losses(samples)
            verdicts.append(judge_fact(workload.key, f"lost by {name}", "0", got, got == "0"))
    return verdicts


def udp_row(workload: UdpWorkload, bench: Bench) -> Outcome:
    """One workload: every proxy beside nginx, and the targets."""
    with datagrams(bench) as bench, running(bench, entrants_of(bench, workload.compares, (workload.base,))) as proxies:
        turns = take_turns(bench, workload, proxies)
    summaries = summaries_of(workload, turns)
    notes = [*turns.notes, *pace_notes(workload, turns)]
    text = udp_report.table(workload, summaries, turns.groups, notes)
    return Outcome(text, list(turns.samples), summaries, judged(workload, turns))
