"""nginy, HAProxy and nginx side by side: `python -m benchmarks.compare --quick|--full`.

CPU time of the whole proxy per unit of work comes first, throughput and latency second. Every round takes each proxy
once, in turning order; ratios are taken within a round, so that a machine that drifts spoils all of them alike; and a
measurement around which a fixed piece of work took longer than at best is taken again.
"""

import argparse
import json
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import machine, parts, proxies, report, udp_proxies
from benchmarks.bench import Bench, LeftOut, Outcome, Part
from benchmarks.build_load import load_module
from benchmarks.measure import MeasureError, Stage
from benchmarks.proxy import Proxy, ProxyError

RESULTS = Path(__file__).with_name("RESULTS.md")
RESULTS_JSON = RESULTS.with_suffix(".json")
QUICK = (5, 0.8)
FULL = (7, 2.0)


@dataclass
class Findings:
    """What the parts gave, in their order; why some did not."""

    front: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return not self.left_out

    def markdown(self) -> str:
        """The whole report; the targets come before the tables that they were judged by."""
        texts = [outcome.text for outcome in self.outcomes.values()]
        texts += [f"### {name}\n\nLeft out: {why}\n" for name, why in self.left_out.items()]
        return "\n".join([self.front, *self.targets(), "## Tables\n", *texts])

    def targets(self) -> list[str]:
        """One table, or nothing when no target was measured."""
        verdicts = [verdict for outcome in self.outcomes.values() for verdict in outcome.verdicts]
        return [report.targets_table(verdicts)] if verdicts else []

    def tree(self, command: str, has_samples: bool) -> dict[str, object]:
        """For JSON. has_samples: every single measurement too."""
        outcomes = self.outcomes.values()
        tree: dict[str, object] = {
            "machine": machine.describe(),
            "command": command,
            "targets": [asdict(verdict) for outcome in outcomes for verdict in outcome.verdicts],
            "summaries": [asdict(summary) for outcome in outcomes for summary in outcome.summaries],
            "points": [asdict(point) for outcome in outcomes for point in outcome.points],
            "figures": {name: outcome.figures for name, outcome in self.outcomes.items() if outcome.figures},
            "left_out": self.left_out,
        }
        if has_samples:
            tree["samples"] = [asdict(sample) for outcome in outcomes for sample in outcome.samples]
        return tree


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
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} and {RESULTS_JSON.name}")
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
    findings = Findings(report.front_matter(about, versions, command_line(options), options.rounds, options.seconds))
    print(findings.front, flush=True)
    load = modes.Load()
    try:
        bench = Bench(
            load, modes, Stage(options.proxy_core, options.load_core), options.rounds, options.seconds,
            options.options == "same", tuple(options.proxy),
        )  # fmt: skip
        for name, part in wanted.items():
            measure_part(findings, name, part, bench)
            if options.write:       # a run that is cut short leaves what it has
                write(findings, command_line(options))
    finally:
        load.close()
    print(*findings.targets())
    return findings


def write(findings: Findings, command: str) -> None:
    """The files of results, as far as it has come."""
    RESULTS.write_text(f"# Results\n\nHow to read this: `benchmarks/README.md`.\n\n{findings.markdown()}")
    RESULTS_JSON.write_text(json.dumps(findings.tree(command, has_samples=False), indent=1) + "\n")


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
    command = command_line(options)
    if options.json:
        options.json.write_text(json.dumps(findings.tree(command, has_samples=True), indent=1))
    return 0 if findings.is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
