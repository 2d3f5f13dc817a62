"""The exposition: parsed by Prometheus's own parsers, complete, and never going back."""

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from nginy._fast.door import CONNECT_BUCKETS_S, DROPS, OUTCOMES, OWN, REASONS, TURN_BUCKETS_S, TURN_STAGES
from nginy.observe.families import FAMILIES
from nginy.observe.metrics import Metrics
from tests.unit.observe.pictures import (
    BUCKETS,
    Source,
    backend,
    backend_counters,
    http_counters,
    http_listener,
    http_pool_counters,
    listener,
    listener_counters,
    pool,
    pool_counters,
    tls_counters,
    udp_counters,
    udp_listener,
    view,
    worker,
    worker_counters,
)

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(metrics: Metrics) -> Samples:
    """One scrape as (name, labels) -> value; duplicates are an error."""
    content_type, body = asyncio.run(metrics.render())
    assert content_type.startswith("text/plain; version=0.0.4")
    found: Samples = {}
    for family in parse_text(body.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    """One sample."""
    return samples[name, tuple(sorted(labels.items()))]


BACKEND = {"pool": "api", "backend": "10.0.0.1:80", "address": "10.0.0.1:80"}


def test_every_family_of_the_list_is_exposed_with_samples_of_its_labels() -> None:
    asking = replace(pool("own"), choices=pool_counters())
    site = replace(pool("site"), requests=http_pool_counters())
    secure = http_listener(handshakes=tls_counters())
    listeners, pools = (listener(), udp_listener(), secure), (pool(), asking, site)
    source = Source(view(listeners=listeners, pools=pools, certificates={"site": 2e9}))
    _, body = asyncio.run(Metrics(source).render())
    families = {family.name: family for family in parse_text(body.decode())}
    for wanted in FAMILIES:
        found = families[wanted.name]
        assert found.type == wanted.kind
        assert found.samples, wanted.name
        labels = set(found.samples[0].labels) - {"le"}
        assert labels == set(wanted.labels), wanted.name


def test_openmetrics_is_given_to_those_who_ask_and_parses() -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    content_type, body = asyncio.run(Metrics(Source()).render(accept))
    assert content_type.startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(body.decode())} >= {
        family.name for family in FAMILIES
    }


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "application/json;version=x", ";;=,"])
def test_any_other_accept_header_gets_plain_text(accept: str) -> None:
    content_type, body = asyncio.run(Metrics(Source()).render(accept))
    assert content_type.startswith("text/plain")
    assert b"nginy_config_generation 1.0\n" in body


def test_listener_counters_come_out_by_name() -> None:
    reasons = tuple(range(len(REASONS)))
    counters = listener_counters(accepted=200, live=3, bytes_in=11, bytes_out=22, reasons=reasons)
    samples = scrape(Metrics(Source(view(listeners=(listener(counters=counters),)))))
    assert value(samples, "nginy_listener_sessions_total", listener="web") == 200
    assert value(samples, "nginy_listener_sessions_live", listener="web") == 3
    assert value(samples, "nginy_listener_bytes_total", listener="web", direction="in") == 11
    assert value(samples, "nginy_listener_bytes_total", listener="web", direction="out") == 22
    for code, reason in enumerate(REASONS):
        assert value(samples, "nginy_session_ends_total", listener="web", reason=reason) == code


def test_requests_of_a_pool_come_out_by_name_and_of_a_group_too() -> None:
    counters = http_pool_counters(
        responses=(1, 2, 3, 4, 5), own=2, unanswered=6, cut=7, retried=8, reused=9, bytes_in=10, bytes_out=11,
        first_us_sum=500, total_us_sum=9_000, first_hist=(15, *[0] * 16), total_hist=(0, 0, 0, 8, *[0] * 13),
    )  # fmt: skip
    site = replace(pool("site"), requests=counters, members=(("api", 1),))
    samples = scrape(Metrics(Source(view(pools=(pool(), site)))))
    for nth in range(1, 6):
        assert value(samples, "nginy_http_pool_responses_total", **{"pool": "site", "class": f"{nth}xx"}) == nth
    wanted = {"own_responses": 2, "unanswered": 6, "cut": 7, "retries": 8, "reuses": 9}
    for name, count in wanted.items():
        assert value(samples, f"nginy_http_pool_{name}_total", pool="site") == count
    assert value(samples, "nginy_http_pool_bytes_total", pool="site", direction="out") == 11
    assert value(samples, "nginy_http_pool_first_byte_seconds_bucket", pool="site", le="0.0005") == 15
    assert value(samples, "nginy_http_pool_request_seconds_bucket", pool="site", le="0.0025") == 0
    assert value(samples, "nginy_http_pool_request_seconds_bucket", pool="site", le="0.005") == 8
    assert value(samples, "nginy_http_pool_request_seconds_sum", pool="site") == 0.009
    assert {dict(labels)["pool"] for name, labels in samples if name.startswith("nginy_http_pool")} == {"site"}


def test_http_counters_come_out_by_name_and_others_have_none() -> None:
    counters = http_counters(
        requests=99, responses=(1, 2, 3, 4, 5), own=tuple(range(10, 10 + len(OWN))), retried=7, reused=8
    )
    samples = scrape(Metrics(Source(view(listeners=(listener(), http_listener(requests=counters))))))
    assert value(samples, "nginy_http_requests_total", listener="site") == 99
    for nth in range(1, 6):
        labels = {"listener": "site", "class": f"{nth}xx"}
        assert value(samples, "nginy_http_responses_total", **labels) == nth
    for code, reason in enumerate(OWN):
        assert value(samples, "nginy_http_own_responses_total", listener="site", reason=reason) == 10 + code
    assert value(samples, "nginy_http_retries_total", listener="site") == 7
    assert value(samples, "nginy_http_reuses_total", listener="site") == 8
    assert {dict(labels)["listener"] for name, labels in samples if name.startswith("nginy_http")} == {"site"}


def test_udp_counters_come_out_by_name_and_tcp_has_none() -> None:
    counters = udp_counters(
        from_clients=10, to_backends=9, from_backends=8, to_clients=7, receives=6, sends=5, assured=4, kernel_drops=99,
        drops=tuple(range(len(DROPS))),
    )  # fmt: skip
    shown = udp_listener(datagrams=counters, receive_bytes=4194304)
    samples = scrape(Metrics(Source(view(listeners=(listener(), shown)))))
    directions = {"from_clients": 10, "to_backends": 9, "from_backends": 8, "to_clients": 7}
    for direction, count in directions.items():
        assert value(samples, "nginy_datagrams_total", listener="dns", direction=direction) == count
    for call, count in {"receive": 6, "send": 5}.items():
        assert value(samples, "nginy_datagram_calls_total", listener="dns", call=call) == count
    for code, reason in enumerate(DROPS):
        assert value(samples, "nginy_datagrams_dropped_total", listener="dns", reason=reason) == code
    assert value(samples, "nginy_datagrams_dropped_total", listener="dns", reason="kernel") == 99
    assert value(samples, "nginy_flows_assured", listener="dns") == 4
    assert value(samples, "nginy_receive_buffer_bytes", listener="dns") == 4194304
    udp_only = ("nginy_datagram", "nginy_flows", "nginy_receive")
    assert {dict(labels)["listener"] for name, labels in samples if name.startswith(udp_only)} == {"dns"}


def test_backend_counters_verdict_and_state_come_out_by_name() -> None:
    outcomes = tuple(range(1, len(OUTCOMES) + 1))
    counters = backend_counters(sessions=7, live=2, bytes_in=5, bytes_out=6, outcomes=outcomes)
    shown = backend(verdict="down", state="drain", weight=9, counters=counters)
    samples = scrape(
        Metrics(Source(view(pools=(pool("api", shown, backend("b:1", resolved="10.0.0.2:1")),))))
    )
    assert value(samples, "nginy_backend_sessions_total", **BACKEND) == 7
    assert value(samples, "nginy_backend_sessions_live", **BACKEND) == 2
    assert value(samples, "nginy_backend_bytes_total", direction="in", **BACKEND) == 5
    assert value(samples, "nginy_backend_bytes_total", direction="out", **BACKEND) == 6
    assert value(samples, "nginy_backend_weight", **BACKEND) == 9
    for code, outcome in enumerate(OUTCOMES):
        assert value(samples, "nginy_backend_attempts_total", outcome=outcome, **BACKEND) == code + 1
    for verdict in ("unknown", "up", "down"):
        assert value(samples, "nginy_backend_verdict", verdict=verdict, **BACKEND) == (verdict == "down")
    for state in ("ready", "drain", "maint"):
        assert value(samples, "nginy_backend_state", state=state, **BACKEND) == (state == "drain")
    assert value(samples, "nginy_pool_backends", pool="api") == 2
    assert value(samples, "nginy_pool_backends_usable", pool="api") == 1


def test_connect_times_are_a_cumulative_histogram_in_seconds() -> None:
    hist = tuple(range(1, BUCKETS + 1))
    shown = backend(counters=backend_counters(connect_us_sum=2_500_000, connect_hist=hist))
    samples = scrape(Metrics(Source(view(pools=(pool("api", shown),)))))
    name = "nginy_backend_connect_seconds"
    for place, bound in enumerate(CONNECT_BUCKETS_S):
        assert value(samples, f"{name}_bucket", le=f"{bound:g}", **BACKEND) == sum(hist[: place + 1])
    assert value(samples, f"{name}_bucket", le="+Inf", **BACKEND) == sum(hist)
    assert value(samples, f"{name}_count", **BACKEND) == sum(hist)
    assert value(samples, f"{name}_sum", **BACKEND) == 2.5


def test_worker_counters_do_not_go_back_when_the_worker_is_replaced() -> None:
    source = Source(view(workers=(worker(counters=worker_counters(accepted=100, access_dropped=7)),)))
    metrics = Metrics(source)
    scrape(metrics)
    source.picture = view(workers=(worker(deaths=1, counters=worker_counters(accepted=3, access_dropped=1)),))
    samples = scrape(metrics)
    assert value(samples, "nginy_worker_accepted_total", worker="0") == 103
    assert value(samples, "nginy_access_log_dropped_total", stage="worker") == 8
    assert value(samples, "nginy_worker_deaths_total", worker="0") == 1
    source.picture = replace(source.picture, workers=(worker(counters=worker_counters(accepted=5)),))
    assert value(scrape(metrics), "nginy_worker_accepted_total", worker="0") == 105


TURNS = len(TURN_BUCKETS_S) + 1


def test_turns_and_pipes_do_not_go_back_when_the_worker_is_replaced() -> None:
    first = worker_counters(
        unbuffered=4,
        pipes_refused=5,
        spliced_bytes=2**40,
        spins=6,
        turn_us_sum=3_000_000,
        turn_hist=(2,) * TURNS,
        slow_turns=tuple(range(1, len(TURN_STAGES) + 1)),
    )
    second = worker_counters(
        unbuffered=1,
        pipes_refused=1,
        spliced_bytes=1,
        spins=1,
        turn_us_sum=500_000,
        turn_hist=(1,) * TURNS,
        slow_turns=(0,) * len(TURN_STAGES),
    )
    source = Source(view(workers=(worker(counters=first),)))
    metrics = Metrics(source)
    scrape(metrics)
    source.picture = view(workers=(worker(deaths=1, counters=second),))
    samples = scrape(metrics)
    names = ("unbuffered", "pipes_refused", "spliced_bytes", "spins")
    found = [value(samples, f"nginy_worker_{name}_total", worker="0") for name in names]
    assert found == [5, 6, 2**40 + 1, 7]
    turns = "nginy_worker_turn_seconds"
    for place, bound in enumerate(TURN_BUCKETS_S):
        assert value(samples, f"{turns}_bucket", le=f"{bound:g}", worker="0") == 3 * (place + 1)
    assert value(samples, f"{turns}_count", worker="0") == 3 * TURNS
    assert value(samples, f"{turns}_sum", worker="0") == 3.5
    for nth, stage in enumerate(TURN_STAGES, 1):
        assert value(samples, "nginy_worker_slow_turns_total", worker="0", stage=stage) == nth


def test_worker_gauges_follow_the_row() -> None:
    now_ms = time.monotonic_ns() // 1_000_000
    pipes = {"pipes_lent": 7, "pipes_open": 8, "pipes_max": 64}
    counters = worker_counters(live=4, leases=3, buffers_used=2, turn_ms=now_ms - 2000, **pipes)
    samples = scrape(Metrics(Source(view(workers=(worker(1, state="down", counters=counters),)))))
    assert value(samples, "nginy_worker_up", worker="1") == 0
    assert value(samples, "nginy_worker_sessions_live", worker="1") == 4
    assert value(samples, "nginy_worker_leases", worker="1") == 3
    assert value(samples, "nginy_worker_buffers_used", worker="1") == 2
    assert [value(samples, f"nginy_worker_{name}", worker="1") for name in pipes] == [7, 8, 64]
    assert 2 <= value(samples, "nginy_worker_turn_age_seconds", worker="1") < 10


def test_reloads_and_drops_are_counted_by_kind() -> None:
    drains: Any = SimpleNamespace(dropped={"queue": 2, "write": 3})
    metrics = Metrics(Source(), access=drains, log=SimpleNamespace(dropped=4))
    for result in ("applied", "applied", "refused"):
        metrics.count_reload(result)
    samples = scrape(metrics)
    assert value(samples, "nginy_config_reloads_total", result="applied") == 2
    assert value(samples, "nginy_config_reloads_total", result="unchanged") == 0
    assert value(samples, "nginy_config_reloads_total", result="refused") == 1
    assert value(samples, "nginy_access_log_dropped_total", stage="queue") == 2
    assert value(samples, "nginy_access_log_dropped_total", stage="write") == 3
    assert value(samples, "nginy_log_dropped_total") == 4
    with pytest.raises(KeyError):
        metrics.count_reload("lost")


def test_state_is_one_of_its_values() -> None:
    samples = scrape(Metrics(Source(view(state="draining", generation=12))))
    assert value(samples, "nginy_state", state="draining") == 1
    assert value(samples, "nginy_state", state="serving") == 0
    assert value(samples, "nginy_config_generation") == 12


def test_odd_names_are_escaped() -> None:
    odd = listener('quo"te\\back\nline')
    samples = scrape(Metrics(Source(view(listeners=(odd,)))))
    assert value(samples, "nginy_listener_sessions_live", listener='quo"te\\back\nline') == 0


def test_a_large_picture_does_not_hold_the_loop() -> None:
    many = pool("api", *(backend(f"10.0.{n // 250}.{n % 250}:80") for n in range(1500)))
    metrics = Metrics(Source(view(pools=(many,))))

    async def run() -> int:
        turns = 0
        task = asyncio.ensure_future(metrics.render())
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(run()) > 20  # rendered on the loop it would be two or three
