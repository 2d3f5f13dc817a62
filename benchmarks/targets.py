"""What nginy sets out to reach, and whether a run reached it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.measure import Sample, Spread, ratio_of

TOLERANCE_MAX = 0.05
LOAD_IS_FULL = 0.95
PROXY_HAS_ROOM = 0.9
NAMES = {"cpu_per_unit": "CPU", "rate": "throughput", "p50_us": "p50", "p99_us": "p99"}


@dataclass(frozen=True)
class Verdict:
    """One line of the table of targets."""

    workload: str
    what: str
    target: str
    got: str
    is_met: bool
    here: str = ""
    """The target carried over to the peer of this run, where it was set beside another version."""


@dataclass(frozen=True)
class Target:
    """A ratio between two proxies in one workload. field: of a sample.   at_least: the bound is from below.

    nginx_then: nginx' own ratio to the base when the bound was set, beside HAProxy 3.5-dev; nginx' ratio now tells what
    the bound means beside the HAProxy of this run. 0: the bound is the bound.
    """

    workload: str
    proxy: str
    base: str
    bound: float
    field: str = "cpu_per_unit"
    at_least: bool = False
    nginx_then: float = 0.0


def _bulk(key: str, bound: float, nginx_then: float = 0.0) -> tuple[Target, ...]:
    return (
        Target(key, "nginy", "haproxy", bound, nginx_then=nginx_then),
        Target(key, "nginy", "haproxy splice-auto", 0.6),
        Target(key, "nginy", "haproxy", 3.0, "rate", at_least=True),
    )


def _udp(key: str, bound: float, proxy: str = "nginy", base: str = "nginx") -> tuple[Target, ...]:
    return Target(key, proxy, base, bound), Target(key, proxy, "pen", 1.0)


ONE_WAY, BOTH_WAYS = 0.25, 0.27
RATIOS: tuple[Target, ...] = (
    Target("connect", "nginy", "haproxy", 0.87, nginx_then=0.92),
    Target("connect", "nginy", "nginx", 1.0),
    Target("connect", "nginy half_close off", "nginx half_close off", 0.9),
    Target("ping64", "nginy", "haproxy", 0.82, nginx_then=0.87),
    Target("ping1000", "nginy", "haproxy", 0.74, nginx_then=0.87),
    Target("ping1", "nginy", "haproxy", 0.9, nginx_then=0.85),
    Target("ping1", "nginy spin on", "haproxy", 1.0),
    Target("ping1", "nginy spin on", "haproxy", 1.0, "p50_us"),
    *_bulk("down1", ONE_WAY, 0.88),
    *_bulk("down16", ONE_WAY, 0.97),
    *_bulk("both1", BOTH_WAYS, 0.88),
    *_bulk("both16", BOTH_WAYS, 0.97),
    *_bulk("down1-cubic", ONE_WAY),
    *_bulk("down16-cubic", ONE_WAY),
    *_bulk("both1-cubic", BOTH_WAYS),
    *_bulk("both16-cubic", BOTH_WAYS),
    Target("http-kept", "nginy", "haproxy", 0.9),
    Target("http-new", "nginy", "haproxy", 0.9),
    Target("http-large", "nginy", "haproxy", 0.35),
    Target("http-large", "nginy", "haproxy splice-auto", 0.7),
    Target("http-routes", "nginy 10,000 routes", "nginy 10 routes", 1.05),
    Target("tls-new", "nginy", "haproxy", 1.0),
    Target("tls-large", "nginy", "haproxy", 1.0),
    *_udp("udp-echo1000", 0.87),
    *_udp("udp-runs32", 0.73),
    *_udp("udp-runs32-1200", 0.73),
    *_udp("udp-paced", 0.7),
    *_udp("udp-gso", 0.32, "nginy gro on"),
    *_udp("udp-dns", 0.8, "nginy dns", "nginx dns"),
)


def is_met(got: float, bound: float, spread: float, at_least: bool = False) -> bool:
    """Within the run's own spread, at most 5 %."""
    tolerance = min(spread, TOLERANCE_MAX)
    return got >= bound * (1 - tolerance) if at_least else got <= bound * (1 + tolerance)


def judge_ratio(workload: str, what: str, got: Spread, bound: float, at_least: bool = False) -> Verdict:
    """A ratio against its bound."""
    sign = "≥" if at_least else "≤"
    met = is_met(got.median, bound, got.spread, at_least)
    return Verdict(workload, what, f"{sign} {bound:.2f}", f"{got.median:.2f} ± {got.spread:.0%}", met)


def judge_amount(workload: str, what: str, got: Spread, bound: float, unit: str, digits: int = 0) -> Verdict:
    """An amount, in its unit, that shall not be more than its bound."""
    said = f"{got.median:,.{digits}f} {unit} ± {got.spread:.0%}"
    return Verdict(workload, what, f"≤ {bound:,.{digits}f} {unit}", said, is_met(got.median, bound, got.spread))


def judge_fact(workload: str, what: str, target: str, got: str, is_true: bool) -> Verdict:
    """Something that holds or does not."""
    return Verdict(workload, what, target, got, is_true)


def judge(workload: str, samples: Sequence[Sample]) -> list[Verdict]:
    """Every target of a workload that the samples can tell about."""
    verdicts = []
    for target in RATIOS:
        if target.workload != workload:
            continue
        mine = [sample for sample in samples if sample.proxy == target.proxy]
        theirs = [sample for sample in samples if sample.proxy == target.base]
        got = ratio_of(mine, theirs, target.field)
        if got is not None:
            what = f"{NAMES[target.field]}, {target.proxy} / {target.base}"
            verdict = replace(
                judge_ratio(workload, what, got, target.bound, target.at_least), here=carried_over(target, samples, got)
            )
            verdicts.append(replace(verdict, got=verdict.got + remark(mine)) if target.at_least else verdict)
    return verdicts


def carried_over(target: Target, samples: Sequence[Sample], got: Spread) -> str:
    """What the bound means beside the peer of this run, and whether that is met; empty without a measure for it."""
    nginx = [sample for sample in samples if sample.proxy == "nginx"]
    base = [sample for sample in samples if sample.proxy == target.base]
    now = ratio_of(nginx, base, target.field) if target.nginx_then else None
    if now is None:
        return ""
    bound = target.bound * now.median / target.nginx_then
    is_reached = is_met(got.median, bound, got.spread, target.at_least)
    return f"≤ {bound:.2f}, {'met' if is_reached else 'not met'}"


def remark(samples: Sequence[Sample]) -> str:
    """Says so when the load had no time left while the proxy had: then throughput is not the proxy's."""
    load_busy = median(sample.load_busy for sample in samples)
    busy = median(sample.busy for sample in samples)
    is_bound = load_busy > LOAD_IS_FULL and busy < PROXY_HAS_ROOM
    return f"; the load is the limit, the proxy {busy:.0%} busy" if is_bound else ""
