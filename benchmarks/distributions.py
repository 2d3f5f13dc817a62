"""Draw the pictures of docs/policies.md: `python -m benchmarks.distributions`.

How evenly keys are shared, what moves when backends leave, and what a bound does to hot keys; all of it from the rings
and tables that the workers use. Needs matplotlib (the `bench` extra). Nothing is random: the same code, the same files.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from benchmarks.charts import CHARTS, STYLE, plt
from nginy.balancer import BoundedLoad, Jump, Maglev, Rendezvous, Ring

NODES = tuple(f"10.0.{n // 100}.{n % 100}:80" for n in range(100))
KEYS = tuple(f"client {n}" for n in range(1_000_000))
HOT_KEYS, HOT_TURNS = 2_000, 20_000
LEAVING = (1, 5, 10, 50)
FACTORS = (1.05, 1.25, 1.5, 2.0)
COLOURS = ("#cc4433", "#4477aa", "#66aa55", "#aa8833", "#774488")

Choose = Callable[[str], str]


def jump_over(nodes: Sequence[str]) -> Choose:
    """Jump hashing numbers its buckets; here the nodes in their order."""
    jump = Jump(len(nodes))
    return lambda key: nodes[jump[int.from_bytes(blake2b(key.encode(), digest_size=8).digest())]]


KINDS: Mapping[str, Callable[[Sequence[str]], Choose]] = {
    "ring": lambda nodes: Ring(nodes).__getitem__,
    "ring, compat nginx": lambda nodes: Ring(nodes, compat="nginx").__getitem__,
    "maglev": lambda nodes: Maglev(nodes).__getitem__,
    "rendezvous": lambda nodes: Rendezvous(nodes).__getitem__,
    "jump": jump_over,
}


def shares(choose: Choose) -> list[float]:
    """Of every node, beside the mean; the largest first."""
    counts = Counter(map(choose, KEYS))
    return sorted((counts[node] * len(NODES) / len(KEYS) for node in NODES), reverse=True)


def moved_beyond(before: Sequence[str], gone: Iterable[str], choose: Choose) -> float:
    """The share of all keys that moved although their node stayed."""
    left = set(gone)
    return sum(was not in left and choose(key) != was for key, was in zip(KEYS, before, strict=True)) / len(KEYS)


def hot_turns() -> list[str]:
    """Keys as a few users and many strangers bring them: the n-th is met 1/n as often as the first (Zipf)."""
    weights = [1 / (rank + 1) for rank in range(HOT_KEYS)]
    scale = HOT_TURNS / sum(weights)
    turns = [f"hot {rank}" for rank, weight in enumerate(weights) for _ in range(round(weight * scale))]
    return [turns[number * 7919 % len(turns)] for number in range(len(turns))]


def draw_shares() -> None:
    """shares.svg: each node's share of a million keys."""
    figure, axes = plt.subplots(figsize=(8, 4))
    for (name, kind), colour in zip(KINDS.items(), COLOURS, strict=True):
        axes.plot(range(1, len(NODES) + 1), shares(kind(NODES)), label=name, color=colour)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(xlabel="backends, the busiest first", ylabel="share beside the mean", ylim=(0.7, 1.3))
    axes.legend(frameon=False)
    save(figure, "shares.svg")


def draw_moved() -> None:
    """moved.svg: what moves although it could have stayed."""
    figure, axes = plt.subplots(figsize=(8, 4))
    kinds = [(name, kind) for name, kind in KINDS.items() if name != "jump"]  # its buckets leave from the end only
    for place, ((name, kind), colour) in enumerate(zip(kinds, COLOURS, strict=False)):
        before = list(map(kind(NODES), KEYS))
        heights = []
        for n in LEAVING:
            gone = NODES[10 : 10 + n]
            rest = [node for node in NODES if node not in gone]
            heights.append(100 * moved_beyond(before, gone, kind(rest)))
        at = [index + (place - 1.5) * 0.2 for index in range(len(LEAVING))]
        bars = axes.bar(at, heights, width=0.18, label=name, color=colour)
        axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.set_xticks(range(len(LEAVING)), [f"{n} of {len(NODES)} leave" for n in LEAVING])
    axes.set(ylabel="keys moved without need, %")
    axes.legend(frameon=False)
    save(figure, "moved.svg")


def draw_bounded() -> None:
    """bounded.svg: the busiest backend under hot keys, with and without a bound."""
    turns = hot_turns()
    nodes = NODES[:20]
    mean = len(turns) / len(nodes)
    names, heights = ["no bound"], [max(Counter(map(Ring(nodes).__getitem__, turns)).values()) / mean]
    for factor in FACTORS:
        bounded = BoundedLoad(Ring(nodes), factor=factor)
        names.append(f"{factor:g}")
        heights.append(max(Counter(bounded.choose(key) for key in turns).values()) / mean)
    figure, axes = plt.subplots(figsize=(8, 3))
    bars = axes.bar(names, heights, width=0.6, color=[COLOURS[1], *[COLOURS[0]] * len(FACTORS)])
    axes.bar_label(bars, fmt="%.2f")
    axes.set(xlabel="bound, times the mean", ylabel="busiest backend\nbeside the mean")
    save(figure, "bounded.svg")


def save(figure: plt.Figure, name: str) -> None:
    """Into docs/charts, without a date."""
    figure.tight_layout()
    figure.savefig(Path(CHARTS) / name, metadata={"Date": None})
    plt.close(figure)
    print(name)


def main() -> None:
    """Draw all of them."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with plt.rc_context(STYLE):
        draw_shares()
        draw_moved()
        draw_bounded()


if __name__ == "__main__":
    main()
