"""What becomes of figures over UDP: losses, added latency, capacities, descriptors; how a proxy's socket is found."""

import os
import socket

import pytest

from benchmarks import udp_capacity, udp_proxies, udp_workloads
from benchmarks.borrow import bound_inodes, holds, receive_buffer
from benchmarks.measure import MeasureError, Sample
from benchmarks.parts import FULL, GROUPS, OVER_UDP, chosen
from benchmarks.udp import Turns, judged, pace_notes
from benchmarks.udp_dns import Descriptors, judged_descriptors
from benchmarks.udp_latency import added_us, ratio_of
from benchmarks.udp_measure import UdpSample, with_losses
from benchmarks.udp_report import losses


def sample(
    proxy: str, number: int = 0, cpu: float = 1.0, p50_us: float = 1.0, lost: int = 0, foreign: int = 0
) -> UdpSample:
    return UdpSample(
        proxy=proxy, workload="udp-echo1000", round=number, units=1, seconds=2, cpu_per_unit=cpu, user_per_unit=cpu,
        system_per_unit=cpu, rate=1, p50_us=p50_us, p99_us=p50_us, bytes_per_s=0, busy=1, load_busy=1, others=0,
        slowness=0, sent=200, lost=lost, foreign=foreign,
    )  # fmt: skip


def test_losses_are_shown_as_number_and_share() -> None:
    assert losses([sample("nginx"), sample("nginx")]) == "0"
    assert losses([sample("nginx", lost=2), sample("nginx")]) == "2 (0.50%)"
    assert losses([sample("pen", foreign=3)]) == "0, 3 to the wrong client"


def test_time_in_which_the_load_polled_in_vain_is_not_busy() -> None:
    counts = {"idle_ns": 1_500_000_000, "sent": 7, "lost": 2, "foreign": 5, "misordered": 1, "stale": 3, "ports": 4}
    plain = {name: value for name, value in vars(sample("nginx")).items() if name in Sample.__dataclass_fields__}
    got = with_losses(Sample(**plain), counts)
    assert (got.load_busy, got.sent, got.lost, got.foreign) == (0.25, 7, 2, 5)
    assert (got.misordered, got.stale, got.ports) == (1, 3, 4)


def test_a_loss_of_nginy_misses_a_target_and_one_of_nginx_does_not() -> None:
    workload = udp_workloads.ROWS[0]
    turns = Turns([sample("nginx", lost=5), sample("nginy", cpu=0.8)])
    assert [(verdict.what, verdict.is_met) for verdict in judged(workload, turns)] == [
        ("CPU, nginy / nginx", True),
        ("lost by nginy", True),
    ]
    for spoilt in (sample("nginy", cpu=0.8, lost=1), sample("nginy", cpu=0.8, foreign=1)):
        verdicts = judged(workload, Turns([sample("nginx"), spoilt]))
        assert [verdict.is_met for verdict in verdicts] == [True, False]


def test_a_load_behind_its_pace_is_told() -> None:
    turns = Turns([sample("nginx"), sample("nginy")])
    assert pace_notes(udp_workloads.paced("udp-paced", 100.0), turns) == []
    behind = pace_notes(udp_workloads.paced("udp-paced", 125.0), turns)
    assert behind[0] == "nginx: the load sent only 80% of the rate in one round; measure again."
    assert pace_notes(udp_workloads.ROWS[0], turns) == []


def test_added_latency_is_taken_within_a_round() -> None:
    direct = [sample("direct", number, p50_us=value) for number, value in enumerate((10.0, 20.0))]
    mine = added_us([sample("nginy", number, p50_us=value) for number, value in enumerate((15.0, 26.0, 99.0))], direct)
    theirs = added_us([sample("nginx", number, p50_us=value) for number, value in enumerate((20.0, 32.0))], direct)
    assert (mine, theirs) == ({0: 5.0, 1: 6.0}, {0: 10.0, 1: 12.0})
    ratio = ratio_of(mine, theirs)
    assert ratio is not None and (ratio.median, ratio.spread) == (0.5, 0.0)
    assert ratio_of(mine, {}) is None


def test_descriptors_grow_when_later_ones_are_more_than_earlier_ones() -> None:
    steady = Descriptors("nginy dns", 20, (90, 70, 90, 84), 64, 50_000)
    growing = Descriptors("nginy dns", 20, (90, 200, 300, 400), 9_000, 50_000)
    assert (steady.growth, growing.growth) == (0, 200)
    assert [verdict.is_met for verdict in judged_descriptors(steady)] == [True, True]
    assert [verdict.is_met for verdict in judged_descriptors(growing)] == [False, False]


@pytest.mark.parametrize(
    ("capacity", "load_max", "is_load"), [(250_000.0, 9e9, False), (30_000.0, 9e9, False), (9e9, 400_000.0, True)]
)
def test_a_search_ends_close_below_the_capacity(capacity: float, load_max: float, is_load: bool) -> None:
    def holds(rate: float) -> str:
        return "lost" if rate > capacity else "load" if rate > load_max else "held"

    found = udp_capacity.search(holds)
    limit = min(capacity, load_max)
    assert limit / udp_capacity.PRECISION <= found.held <= limit
    assert found.is_load is is_load


def test_a_search_gives_up_on_a_proxy_that_loses_at_any_rate() -> None:
    with pytest.raises(MeasureError, match="at any rate"):
        udp_capacity.search(lambda _rate: "lost")


def test_four_fifths_of_nginys_capacity_or_else_of_nginxs() -> None:
    found = {name: [udp_capacity.Capacity(rate, False)] for name, rate in (("nginx", 100.0), ("nginy", 200.0))}
    assert udp_capacity.rate_below(found) == 160.0
    assert udp_capacity.rate_below({"nginx": found["nginx"]}) == 80.0


def test_every_workload_over_udp_compares_known_proxies_and_its_base() -> None:
    known = {kind.name for kind in udp_proxies.ALL}
    for workload in udp_workloads.ALL:
        assert set(workload.compares) <= known and workload.base in workload.compares


def test_udp_stands_for_all_of_its_workloads() -> None:
    assert list(chosen(["udp"], is_full=False)) == [*(workload.key for workload in udp_workloads.ALL), "udp-flood"]
    assert set(GROUPS["udp"]) == set(OVER_UDP) < set(FULL)
    with pytest.raises(ValueError, match=r"unknown workload udp-pong; known: .*udp-echo1000.*, udp$"):
        chosen(["udp-pong"], is_full=False)


def test_a_bound_socket_is_found_in_the_process_that_holds_it() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        inodes = bound_inodes(one.getsockname()[1])
        assert str(os.fstat(one.fileno()).st_ino) in inodes
        assert holds(os.getpid(), inodes)
        assert not holds(os.getpid(), {"0"})
    assert not holds(os.getpid(), inodes)


@pytest.mark.skipif(os.geteuid() != 0, reason="other processes' sockets need root")
def test_a_receive_buffer_is_set_from_outside_whatever_the_system_allows() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        assert receive_buffer(os.getpid(), one.getsockname()[1], 64 * 2**20) == 1
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 64 * 2**20
