"""What every part of the benchmark is given, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from benchmarks.measure import Sample, Stage, Summary
from benchmarks.proxy import Shape
from benchmarks.targets import Verdict

CURVE_ROUNDS = 3
CURVE_SECONDS = 1.0


class LeftOut(Exception):
    """A part cannot be measured on this machine; says why."""


@dataclass(frozen=True)
class Bench:
    """The load, where things run, and how long.

    only: names of proxies to measure beside haproxy; empty: all.   has_same_options: as in Shape.
    """

    load: Any
    modes: ModuleType
    stage: Stage
    rounds: int
    seconds: float
    has_same_options: bool = True
    only: tuple[str, ...] = ()

    def shape(self, backends: int = 3, listeners: int = 1, workers: int = 1) -> Shape:
        """A shape with this run's options."""
        return Shape(backends, listeners, workers, self.has_same_options)


@dataclass(frozen=True)
class Point:
    """One proxy at one place of a curve. CPU in seconds per unit, latency in microseconds, rate in units per second.

    spread: half of the middle half over the rounds, relative.
    """

    curve: str
    proxy: str
    x: int
    cpu_per_unit: float
    user_per_unit: float
    system_per_unit: float
    rate: float
    p50_us: float
    p99_us: float
    spread: float


@dataclass
class Outcome:
    """What a part found: a text in Markdown, the figures behind it, and the targets it could judge."""

    text: str
    samples: list[Sample] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


Part = Callable[[Bench], Outcome]
