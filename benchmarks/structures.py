"""Structures by themselves, from the pytest benchmarks: the session table, and native ones beside plain Python."""

import importlib.util
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.bench import Bench, LeftOut, Outcome
from benchmarks.measure import MeasureError

TABLE_KEY = "session-table"
BESIDE_KEY = "structures"
FOLDER = Path(__file__).parent
NO_FIGURE = re.compile(r"[^0-9]*$|seed|test_|-|=|Name| +Outliers| +OPS|\d+ passed| [0-9.]+ ns per key$")
NOTE = "CPU time of the thread. The median of a group's rounds; the steps of a round are in its name."


def pytest(name: str, *options: str) -> str:
    """What a file of benchmarks prints. Raises LeftOut without pytest-benchmark, MeasureError when one fails."""
    if importlib.util.find_spec("pytest_benchmark") is None:
        raise LeftOut("pytest-benchmark is not installed")
    command = [sys.executable, "-m", "pytest", str(FOLDER / name), "-q", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=FOLDER.parent, check=False)
    if done.returncode:
        raise MeasureError(f"{name} failed: {done.stdout[-2000:]}")
    return done.stdout


def table(bench: Bench) -> Outcome:
    """The lines that it prints, as they are."""
    said = pytest("test_bench_flowtable.py", "-s", "--benchmark-disable-gc", "--benchmark-columns=median").splitlines()
    lines = [re.sub(r"^\.+", "", line).rstrip(".") for line in said]
    lines = [line for line in lines if not NO_FIGURE.match(line)]
    text = "\n".join(["### session table", "", "```", *lines, "```", "", "Least and median of the rounds."])
    return Outcome(text + "\n")


def beside(bench: Bench) -> Outcome:
    """One row for each structure."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "taken.json"
        pytest("test_bench_ratios.py", f"--benchmark-json={path}")
        taken = json.loads(path.read_text())["benchmarks"]
    groups: dict[str, dict[str, float]] = {}
    for one in taken:
        groups.setdefault(one["group"], {})[one["params"]["kind"]] = one["stats"]["median"] * 1e6
    rows = [
        [group, f"{us['native']:,.1f} µs", f"{us['python']:,.1f} µs", f"{us['python'] / us['native']:,.1f}"]
        for group, us in groups.items()
    ]
    lines = report.lines_of(("", "native", "plain Python", "ratio"), rows)
    text = "\n".join(["### structures beside plain Python", "", *lines, "", NOTE])
    return Outcome(text + "\n", figures=figures_of(groups))


def figures_of(groups: dict[str, dict[str, float]]) -> dict[str, Any]:
    return {"native_us": {group: us["native"] for group, us in groups.items()},
            "median_ratio": statistics.median(us["python"] / us["native"] for us in groups.values())}  # fmt: skip
