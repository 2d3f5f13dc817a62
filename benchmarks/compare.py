"""nginy, HAProxy and nginx side by side: `python -m benchmarks.compare --quick|--full`.

CPU time of the whole proxy per unit of work comes first, throughput and latency second. Every round takes
each proxy once, in turning order, and ratios are taken within a round, so that a machine that drifts spoils
all of them alike.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine, proxies, report, workloads
from benchmarks.build_load import load_module
from benchmarks.measure import MeasureError, Sample, Summary, measure, summarise
from benchmarks.workloads import Workload

RESULTS = Path(__file__).with_name("RESULTS.md")
REFERENCE = "haproxy"
QUICK = (5, 1.0)
FULL = (9, 3.0)
TRIES = 4


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.partition("\n")[0])
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help=f"{QUICK[0]} rounds of {QUICK[1]:g} s (default)")
    length.add_argument("--full", action="store_true", help=f"{FULL[0]} rounds of {FULL[1]:g} s")
    parser.add_argument("--rounds", type=int, help="another number of rounds")
    parser.add_argument("--seconds", type=float, help="another length of one measurement")
    parser.add_argument("--workload", action="append", default=[], help="only this one (may be given again)")
    parser.add_argument(
        "--proxy", action="append", default=[], help="only this one beside haproxy (may be given again)"
    )
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every sample and summary to this file")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    chosen = parser.parse_args(arguments)
    rounds, seconds = FULL if chosen.full else QUICK
    chosen.rounds = chosen.rounds or rounds
    chosen.seconds = chosen.seconds or seconds
    return chosen


def wanted_proxies(names: Sequence[str], chosen: Sequence[Workload]) -> list[type[proxies.Proxy]]:
    """Installed ones that some workload compares; says on stderr which are missing."""
    used = {name for workload in chosen for name in workload.compares}
    wanted = [kind for kind in proxies.ALL if kind.name in used and (not names or kind.name in (*names, REFERENCE))]
    missing = [kind.name for kind in wanted if not kind.is_installed()]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    return [kind for kind in wanted if kind.name not in missing]


@contextlib.contextmanager
def running(kinds: Sequence[type[proxies.Proxy]], ports: list[int], core: int) -> Iterator[list[proxies.Proxy]]:
    """All proxies at once: an idle one costs nothing, and no start-up falls between two measurements."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nginy-bench-")))
        folder.chmod(0o755)
        yield [stack.enter_context(kind(folder, ports, core)) for kind in kinds]


def measure_workload(
    load: Any, modes: Any, workload: Workload, started: list[proxies.Proxy], options: argparse.Namespace
) -> list[Sample]:
    """Every round of one workload."""
    taking_part = [proxy for proxy in started if proxy.name in workload.compares]
    samples = []
    for number in range(options.rounds):
        turn = number % len(taking_part)
        for proxy in taking_part[turn:] + taking_part[:turn]:
            samples.append(undisturbed(partial(measure, load, modes, workload, proxy, number, options.seconds)))
    return samples


def undisturbed(take: Callable[[], Sample]) -> Sample:
    """The first sample that other programs left alone; else the quietest of a few."""
    samples: list[Sample] = []
    while len(samples) < TRIES:
        samples.append(take())
        if samples[-1].others <= report.OTHERS_MAX:
            break
    return min(samples, key=lambda sample: sample.others)


def summaries_of(workload: Workload, samples: Sequence[Sample]) -> list[Summary]:
    """One summary per proxy, in the workload's order."""
    base = [sample for sample in samples if sample.proxy == REFERENCE]
    groups = [[sample for sample in samples if sample.proxy == name] for name in workload.compares]
    return [summarise(group, base) for group in groups if group]


def command_line(options: argparse.Namespace) -> str:
    """The command that measures the same again."""
    words = ["python -m benchmarks.compare", f"--rounds {options.rounds}", f"--seconds {options.seconds:g}"]
    words += [f"--workload {key}" for key in options.workload] + [f"--proxy '{name}'" for name in options.proxy]
    return " ".join(words)


def run(options: argparse.Namespace) -> tuple[str, dict[str, object]]:
    """Measure everything; returns the Markdown text and the tree for JSON."""
    chosen = workloads.named(options.workload)
    kinds = wanted_proxies(options.proxy, chosen)
    modes = load_module()
    os.sched_setaffinity(0, {options.load_core})
    load = modes.Load()
    front = report.front_matter(
        machine.describe(),
        {kind.name: kind.version() for kind in kinds if " " not in kind.name},
        command_line(options),
        options.rounds,
        options.seconds,
    )
    print(front)
    texts, rows, kept = [front], [], []
    try:
        with running(kinds, load.ports, options.proxy_core) as started:
            for workload in chosen:
                samples = measure_workload(load, modes, workload, started, options)
                summaries = summaries_of(workload, samples)
                texts.append(report.table(workload, summaries))
                print(texts[-1], flush=True)
                rows += [summary.as_dict() for summary in summaries]
                kept += [asdict(sample) for sample in samples]
    finally:
        load.close()
    return "\n".join(texts), {"machine": machine.describe(), "summaries": rows, "samples": kept}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every measurement was valid, 1 otherwise."""
    options = parse_arguments(arguments)
    try:
        text, tree = run(options)
    except (MeasureError, proxies.ProxyError, ValueError) as error:
        print(f"benchmark not valid: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(tree, indent=1))
    if options.write:
        RESULTS.write_text("# Results\n\nHow to read this: `benchmarks/README.md`.\n\n" + text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
