"""How figures of several rounds become a ratio, a spread, and a verdict."""

import pytest

from benchmarks.curves import SIZES, TRANSFER_CLIENTS
from benchmarks.measure import Sample, ratio_of, spread_of, summarise
from benchmarks.parts import FULL, QUICK, chosen
from benchmarks.proxies import ALL
from benchmarks.proxy import Shape, backend_addresses
from benchmarks.targets import RATIOS, is_met, judge
from benchmarks.udp_workloads import ALL as OVER_UDP
from benchmarks.web import ROWS as OVER_HTTP
from benchmarks.workloads import CUBIC, MAIN, transfers


def sample(proxy: str, number: int, cpu: float, rate: float = 1.0, workload: str = "ping64") -> Sample:
    return Sample(
        proxy=proxy, workload=workload, round=number, units=1, seconds=1, cpu_per_unit=cpu, user_per_unit=cpu / 4,
        system_per_unit=cpu * 3 / 4, rate=rate, p50_us=0, p99_us=0, bytes_per_s=0,
        busy=1, load_busy=0.5, others=0, slowness=0,
    )  # fmt: skip


def test_ratios_are_taken_within_a_round_that_both_have() -> None:
    base = [sample("haproxy", number, cpu) for number, cpu in enumerate((10, 20, 40))]
    mine = [sample("nginy", number, cpu) for number, cpu in enumerate((5, 10, 20, 99))]
    ratio = ratio_of(mine, base)
    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high, ratio.spread) == (0.5, 0.5, 0.5, 0.0)
    assert ratio_of(mine, []) is None


def test_spread_is_half_of_the_middle_half() -> None:
    assert spread_of([1.0]).spread == 0
    assert spread_of([8.0, 9.0, 10.0, 12.0, 100.0]).spread == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("got", "spread", "at_least", "met"),
    [
        (0.80, 0.0, False, True),
        (0.81, 0.0, False, False),
        (0.81, 0.02, False, True),
        (0.85, 0.50, False, False),
        (0.75, 0.0, True, False),
        (0.77, 0.50, True, True),
    ],
)
def test_a_bound_is_met_within_the_spread_but_at_most_five_percent(
    got: float, spread: float, at_least: bool, met: bool
) -> None:
    assert is_met(got, 0.8, spread, at_least) is met


def test_a_bound_is_carried_over_by_what_nginx_costs_beside_this_peer() -> None:
    taken = [sample("haproxy", 0, 10), sample("nginx", 0, 9.57), sample("nginy", 0, 8.9)]
    (verdict,) = judge("ping64", taken)
    assert (verdict.is_met, verdict.here) == (False, "≤ 0.90, met")
    (dearer,) = judge("ping64", [*taken[:2], sample("nginy", 0, 9.1)])
    assert dearer.here == "≤ 0.90, not met"
    (without,) = judge("ping64", [taken[0], taken[2]])
    assert without.here == ""


def test_a_target_without_its_proxy_is_not_judged() -> None:
    base = [sample("haproxy", 0, 10)]
    assert judge("ping64", base) == []
    verdicts = judge("ping64", [*base, sample("nginy", 0, 9)])
    assert [(verdict.target, verdict.is_met) for verdict in verdicts] == [("≤ 0.82", False)]


def test_summary_splits_user_and_system_by_their_means() -> None:
    base = [sample("haproxy", 0, 8.0)]
    summary = summarise([sample("nginy", 0, 4.0)], base)
    assert (summary.user_per_unit, summary.system_per_unit) == (1.0, 3.0)
    assert (summary.ratio_user, summary.ratio_system) == (0.5, 0.5)


def test_every_target_names_a_workload_that_compares_its_proxies() -> None:
    compares = {workload.key: workload.compares for workload in (*MAIN, *CUBIC)}
    compares |= {workload.key: workload.compares for workload in (*OVER_UDP, *OVER_HTTP)}
    for target in RATIOS:
        assert {target.proxy, target.base} <= set(compares[target.workload]), target


def test_every_workload_compares_known_proxies() -> None:
    known = {kind.name for kind in ALL}
    assert all(set(workload.compares) <= known for workload in (*MAIN, *CUBIC))


def test_backends_are_different_addresses_of_few_ports() -> None:
    addresses = backend_addresses([7, 8, 9], 1000)
    assert addresses[:4] == ["127.0.0.1:7", "127.0.0.1:8", "127.0.0.1:9", "127.0.0.2:7"]
    assert len(set(addresses)) == 1000


def test_listeners_have_one_port_and_different_addresses() -> None:
    hosts = Shape(listeners=100).hosts
    assert (hosts[0], hosts[-1], len(set(hosts))) == ("127.0.0.1", "127.0.0.100", 100)


def test_a_transfer_under_way_counts_by_its_bytes() -> None:
    workload = transfers(SIZES[-1], TRANSFER_CLIENTS)
    assert workload.units_of({"bytes": SIZES[-1] // 2, "units": 0}) == 0.5


def test_an_unknown_workload_is_refused_with_the_known_ones() -> None:
    assert list(chosen([], is_full=False)) == list(QUICK)
    assert chosen(["start"], is_full=True) == {"start": FULL["start"]}
    with pytest.raises(ValueError, match=r"unknown workload pong; known: connect, ping64"):
        chosen(["pong"], is_full=False)
