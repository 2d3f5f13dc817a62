"""nginy, HAProxy and nginx side by side: `python -m benchmarks.compare --quick|--full`.

CPU time of the whole proxy per unit of work comes first, throughput and latency second. Every round takes each proxy
once, in turning order; ratios are taken within a round, so that a machine that drifts spoils all of them alike; and a
measurement around which a fixed piece of work took longer than at best is taken again.
"""

import argparse
import compileall
import json
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nginy
from benchmarks import machine, parts, proxies, report, results, udp_proxies
from benchmarks.bench import Bench, LeftOut, Outcome, Part
from benchmarks.build_load import load_module
from benchmarks.measure import MeasureError, Stage
from benchmarks.proxy import Proxy, ProxyError

NGINY = Path(nginy.__file__).parent
QUICK = (5, 0.8)
FULL = (7, 2.0)


@dataclass
class Findings:
    """What the parts gave, in their order; why some did not. run: as in results.Tree."""

    run: dict[str, Any]
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return not self.left_out

    def targets(self) -> list[str]:
        """One table, or nothing when no target was measured."""
        verdicts = [verdict for outcome in self.outcomes.values() for verdict in outcome.verdicts]
        return [report.targets_table(verdicts)] if verdicts else []

    def entries(self) -> dict[str, results.Tree]:
        """Every part as it is kept."""
        return {name: results.entry_of(outcome, self.run) for name, outcome in self.outcomes.items()}

    def tree(self) -> dict[str, object]:
        """For JSON, every single measurement with it."""
        outcomes = self.outcomes.values()
        samples = [asdict(sample) for outcome in outcomes for sample in outcome.samples]
        return self.run | results.flat({"parts": self.entries()}) | {"left_out": self.left_out, "samples": samples}


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.partition("\n")[0])
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--quick", action="store_true", help=f"the main table, {QUICK[0]} rounds of {QUICK[1]:g} s (default)"
    )
    length.add_argument("--full", action="store_true", help=f"everything, {FULL[0]} rounds of {FULL[1]:g} s; an hour")
    parser.add_argument("--rounds", type=int, help="another number of rounds")
    parser.add_argument("--seconds", type=float, help="another length of one measurement")
    parser.add_argument(
        "--workload", action="append", default=[], metavar="NAME",
        help=f"only this one: {', '.join([*parts.FULL, *parts.GROUPS])}",
    )  # fmt: skip
    parser.add_argument(
        "--proxy", action="append", default=[], metavar="NAME",
        help="only this one beside haproxy, over UDP beside nginx (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--options", choices=("same", "own"), default="same",
        help="socket options: the same for all three, or each one's own defaults",
    )  # fmt: skip
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything, single measurements too")
    parser.add_argument("--write", action="store_true", help="put what is measured into RESULTS.md and RESULTS.json")
    chosen = parser.parse_args(arguments)
    rounds, seconds = FULL if chosen.full else QUICK
    chosen.rounds = chosen.rounds or rounds
    chosen.seconds = chosen.seconds or seconds
    known = {kind.name for kind in (*proxies.ALL, *udp_proxies.ALL)}
    for name in chosen.proxy:
        if name not in known:
            parser.error(f"unknown proxy {name!r}; known: {', '.join(sorted(known))}")
    return chosen


def command_line(options: argparse.Namespace) -> str:
    """The command that measures the same again."""
    words = ["python -m benchmarks.compare", *(["--full"] if options.full else [])]
    words += [f"--rounds {options.rounds}", f"--seconds {options.seconds:g}"]
    words += [f"--workload {key}" for key in options.workload] + [f"--proxy '{name}'" for name in options.proxy]
    words += ["--options own"] if options.options == "own" else []
    return " ".join(words)


def raise_descriptors() -> None:
    """As many as allowed: thousands of clients and their backends' ends are all ours."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(options: argparse.Namespace) -> Findings:
    """Measure everything, printing each part when it is done. Raises ValueError for an unknown workload."""
    wanted = parts.chosen(options.workload, options.full)
    raise_descriptors()
    modes = load_module()
    os.sched_setaffinity(0, {options.load_core})
    peers: tuple[type[Proxy], ...] = (*proxies.PLAIN, udp_proxies.Pen)
    versions = {kind.name: kind.version() for kind in peers if kind.is_installed()}
    about = machine.describe() | {"socket options": options.options}
    what = {"command": command_line(options), "rounds": options.rounds, "seconds": options.seconds}
    findings = Findings(what | {"about": about, "versions": versions})
    print(report.front_matter(findings.run), flush=True)
    compileall.compile_dir(NGINY, quiet=2)  # as an installation does
    load = modes.Load()
    try:
        bench = Bench(
            load, modes, Stage(options.proxy_core, options.load_core), options.rounds, options.seconds,
            options.options == "same", tuple(options.proxy),
        )  # fmt: skip
        for name, part in wanted.items():
            measure_part(findings, name, part, bench)
            if options.write:       # a run that is cut short leaves what it has
                results.write(findings.entries(), list(parts.FULL))
    finally:
        load.close()
    print(*findings.targets())
    return findings


def measure_part(findings: Findings, name: str, part: Part, bench: Bench) -> None:
    """One part; what spoils it spoils no other."""
    try:
        outcome = part(bench)
    except (LeftOut, MeasureError, ProxyError) as error:
        findings.left_out[name] = str(error)
        print(f"{name} left out: {error}", file=sys.stderr, flush=True)
        return
    findings.outcomes[name] = outcome
    print(outcome.text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every measurement was valid, 1 otherwise, 2 for a command line that makes no sense."""
    options = parse_arguments(arguments)
    try:
        findings = run(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        options.json.write_text(json.dumps(findings.tree(), indent=1))
    return 0 if findings.is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
