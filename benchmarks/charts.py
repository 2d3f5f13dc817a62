"""Draw the charts of docs/benchmarks.md from the results: `python -m benchmarks.charts [RESULTS.json]`.

Needs matplotlib (the `bench` extra). The same results give the same files, byte for byte.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from benchmarks.results import RESULTS_JSON, flat  # noqa: E402
from benchmarks.workloads import CUBIC, MAIN  # noqa: E402

CHARTS = Path(__file__).parents[1] / "docs" / "charts"
COLOURS = {"haproxy": "#4477aa", "nginx": "#66aa55", "nginy": "#cc4433"}
STRENGTHS = (1.0, 0.6, 0.35)
KIB = 1024
STYLE = {
    "font.family": "sans-serif",
    "font.size": 11,
    "svg.fonttype": "none",
    "svg.hashsalt": "nginy",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.facecolor": "white",
}

Tree = dict[str, Any]


class ChartError(Exception):
    """The results cannot be drawn; says which and why."""


def family(proxy: str) -> str:
    """`nginx` for `nginx half_close off`."""
    return proxy.split()[0]


def points_of(tree: Tree, curve: str) -> dict[str, list[Tree]]:
    """The curve's points by proxy, from small to big. Raises ChartError without any."""
    found = [point for point in tree["points"] if point["curve"] == curve]
    if not found:
        raise ChartError(f"the results have no curve {curve}: measure it with --workload curve-{curve}, or --full")
    names = dict.fromkeys(point["proxy"] for point in found)
    return {name: sorted((p for p in found if p["proxy"] == name), key=lambda p: int(p["x"])) for name in names}


def draw_lines(axes: Axes, curves: dict[str, list[Tree]], height: Callable[[Tree], float]) -> None:
    """One line for each proxy, with the spread of its rounds as a shade."""
    for name, points in curves.items():
        places = [point["x"] for point in points]
        middle = [height(point) for point in points]
        low = [value * (1 - point["spread"]) for value, point in zip(middle, points, strict=True)]
        high = [value * (1 + point["spread"]) for value, point in zip(middle, points, strict=True)]
        axes.plot(places, middle, marker="o", markersize=4, label=name, color=COLOURS[family(name)])
        axes.fill_between(places, low, high, color=COLOURS[family(name)], alpha=0.15, linewidth=0)


def cpu_us(point: Tree) -> float:
    """Microseconds per unit."""
    return float(point["cpu_per_unit"]) * 1e6


def user_us(point: Tree) -> float:
    """The user part of it."""
    return float(point["user_per_unit"]) * 1e6


def cpu_ns_per_byte(point: Tree) -> float:
    """Nanoseconds per byte of a transfer."""
    return float(point["cpu_per_unit"]) * 1e9 / float(point["x"])


def two_panels(title: str) -> tuple[Figure, list[Axes]]:
    """Two charts side by side."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    figure.suptitle(title)
    return figure, list(axes)


def draw_counts(tree: Tree, curve: str, title: str, unit: str) -> Figure:
    """CPU per unit over a count, all of it and its user part; from zero, so that flat looks flat."""
    curves = points_of(tree, curve)
    figure, panels = two_panels(title)
    for axes, height, name in zip(panels, (cpu_us, user_us), ("CPU", "user CPU"), strict=True):
        draw_lines(axes, curves, height)
        axes.set(xscale="log", xlabel=curve, ylabel=f"{name}, µs per {unit}")
        axes.set_ylim(bottom=0)
        label_counts(axes, [point["x"] for point in next(iter(curves.values()))])
    panels[0].legend(frameon=False)
    return figure


def label_counts(axes: Axes, places: Sequence[int]) -> None:
    """The measured places as they are, not powers of ten."""
    axes.set_xticks(places, [f"{place:,}" for place in places], rotation=45)
    axes.set_xticks([], minor=True)


def size_name(size: int) -> str:
    """`64 KiB`."""
    step = min(int(math.log(size, KIB)), 3)
    return f"{size // KIB**step} {('B', 'KiB', 'MiB', 'GiB')[step]}"


def draw_connections(tree: Tree) -> Figure:
    """Round trips."""
    return draw_counts(tree, "connections", "Round trips of 64 B on kept connections", "round trip")


def draw_backends(tree: Tree) -> Figure:
    """New connections."""
    return draw_counts(tree, "backends", "New connections, 64 at a time", "connection")


def draw_sizes(tree: Tree) -> Figure:
    """Per transfer and per byte."""
    curves = points_of(tree, "sizes")
    figure, panels = two_panels("Request and answer on kept connections")
    for axes, height, name in zip(
        panels, (cpu_us, cpu_ns_per_byte), ("CPU, µs per transfer", "CPU, ns per byte"), strict=True
    ):
        draw_lines(axes, curves, height)
        axes.set(xscale="log", yscale="log", xlabel="size of the answer", ylabel=name)
        places = [point["x"] for point in next(iter(curves.values()))]
        axes.set_xticks(places, [size_name(place) for place in places], rotation=45)
        axes.set_xticks([], minor=True)
    panels[0].legend(frameon=False)
    return figure


def draw_ratios(tree: Tree) -> Figure:
    """The main table: a group of bars for each workload. Raises ChartError without one."""
    keys = [workload.key for workload in (*MAIN, *CUBIC)]
    groups = {key: [row for row in tree["summaries"] if row["workload"] == key] for key in keys}
    groups = {key: rows for key, rows in groups.items() if rows}
    if not groups:
        raise ChartError("the results have no workload of the main table: measure with --quick or --full")
    n_rows = sum(len(rows) + 1 for rows in groups.values())
    figure, axes = plt.subplots(figsize=(9, 0.24 * n_rows + 1), layout="constrained")
    place, marks = 0, []
    for key, rows in groups.items():
        for row in rows:
            draw_bar(axes, place, row, [other["proxy"] for other in rows])
            marks.append((place, f"{key}: {row['proxy']}"))
            place += 1
        place += 1
    axes.set_yticks([mark[0] for mark in marks], [mark[1] for mark in marks], fontsize=9)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.axvline(1, color="#444444", linewidth=0.8)
    axes.set(xlabel="CPU per unit, HAProxy's default = 1; lines from the lowest to the highest round")
    return figure


def draw_bar(axes: Axes, place: int, row: Tree, names: Sequence[str]) -> None:
    """The ratio of one proxy in one workload. Variants of one program are paler."""
    siblings = [name for name in names if family(name) == family(row["proxy"])]
    strength = STRENGTHS[min(siblings.index(row["proxy"]), len(STRENGTHS) - 1)]
    error = [[max(0.0, row["ratio"] - row["ratio_low"])], [max(0.0, row["ratio_high"] - row["ratio"])]]
    colour = COLOURS[family(row["proxy"])]
    axes.barh(place, row["ratio"], xerr=error, color=(colour, strength), ecolor="#222222")


CHARTS_DRAWN: dict[str, Callable[[Tree], Figure]] = {
    "ratios": draw_ratios,
    "connections": draw_connections,
    "backends": draw_backends,
    "sizes": draw_sizes,
}


def draw_all(tree: Tree, folder: Path) -> list[str]:
    """Write what the results allow. -> what could not be drawn and why."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    with plt.rc_context(STYLE):  # type: ignore[arg-type]
        for name, draw in CHARTS_DRAWN.items():
            try:
                figure = draw(tree)
            except ChartError as error:
                missing.append(f"{name}: {error}")
                continue
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)
    return missing


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every chart was drawn, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.charts", description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS_JSON)
    parser.add_argument("--folder", type=Path, default=CHARTS)
    options = parser.parse_args(arguments)
    try:
        tree = json.loads(options.results.read_text())
        tree = flat(tree) if "parts" in tree else tree
    except (OSError, ValueError) as error:
        print(f"cannot read {options.results}: {error}; make it with benchmarks.compare --write", file=sys.stderr)
        return 1
    missing = draw_all(tree, options.folder)
    for line in missing:
        print(f"not drawn, {line}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
