"""RESULTS.json keeps the latest of every part with the run that it is from; RESULTS.md is written from it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.bench import Outcome
from benchmarks.targets import Verdict

RESULTS = Path(__file__).with_name("RESULTS.md")
RESULTS_JSON = RESULTS.with_suffix(".json")
LISTS = ("targets", "summaries", "points")
HEAD = """# Results

How to read this: `benchmarks/README.md`. Written by `python -m benchmarks.compare --write`, which replaces what it
measures and keeps the rest; the number behind a title is the run that the table is from.
"""

Tree = dict[str, Any]
"""{"parts": {name: {"run": …, "text": …, "targets": […], "summaries": […], "points": […], "figures": {…}}}}

run: {"command": …, "rounds": …, "seconds": …, "about": {…}, "versions": {…}}, the same for all parts of a run.
"""


def entry_of(outcome: Outcome, run: Mapping[str, Any]) -> Tree:
    """One part as it is kept."""
    return {
        "run": dict(run),
        "text": outcome.text,
        "targets": [asdict(verdict) for verdict in outcome.verdicts],
        "summaries": [asdict(summary) for summary in outcome.summaries],
        "points": [asdict(point) for point in outcome.points],
        "figures": outcome.figures,
    }


def merged(kept: Tree, taken: Mapping[str, Tree], order: Sequence[str]) -> Tree:
    """What was kept with what has been measured now in its place. order: of all parts; those not in it are gone."""
    parts = {**kept.get("parts", {}), **taken}
    return {"parts": {name: parts[name] for name in order if name in parts}}


def flat(tree: Tree) -> Tree:
    """All targets, summaries and points in one list each, and the figures by part, as in a single run."""
    parts = tree["parts"]
    found: Tree = {key: [row for part in parts.values() for row in part[key]] for key in LISTS}
    return found | {"figures": {name: part["figures"] for name, part in parts.items() if part["figures"]}}


def runs_of(parts: Iterable[Tree]) -> list[Tree]:
    """The different runs, oldest first."""
    found = []
    for part in parts:
        if part["run"] not in found:
            found.append(part["run"])
    return sorted(found, key=lambda run: str(run["about"]["date"]))


def markdown(tree: Tree) -> str:
    """The whole report: runs, targets, tables."""
    parts = list(tree["parts"].values())
    runs = runs_of(parts)
    texts = [HEAD, "## Runs\n"]
    texts += [f"{number}. {report.run_line(run)}" for number, run in enumerate(runs, 1)]
    texts += ["", report.targets_table([Verdict(**row) for part in parts for row in part["targets"]]), "## Tables\n"]
    for part in parts:
        title, line_break, rest = part["text"].partition("\n")
        texts.append(f"{title} ({runs.index(part['run']) + 1}){line_break}{rest}")
    return "\n".join(texts)


def load() -> Tree:
    """What is kept so far; nothing at first."""
    return json.loads(RESULTS_JSON.read_text()) if RESULTS_JSON.exists() else {}


def write(taken: Mapping[str, Tree], order: Sequence[str]) -> None:
    """Put these parts into both files."""
    tree = merged(load(), taken, order)
    RESULTS_JSON.write_text(json.dumps(tree, indent=1) + "\n")
    RESULTS.write_text(markdown(tree))
