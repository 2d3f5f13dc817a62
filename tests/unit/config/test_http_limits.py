"""Limits of HTTP listeners: read, written, inherited, refused where they mean nothing; and what workers get of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginy.backend.httprow import http_row
from nginy.config import config_from, parse_config, to_yaml
from nginy.config.units import UnitError, format_pace, parse_pace
from nginy.model import Limits, Listener, RequestRate

from .marked import Bad, check, listener
from .trees import CALM

EVERY = "{head: 8KiB, fields: 64, target: 2KiB, body: 1MiB, requests: 1000, request_rate: {rate: 90/m, burst: 20}}"


def limits(text: str, defaults: str = "{}", protocol: str = "http") -> Limits:
    tree = f"""
defaults: {{limits: {defaults}}}
pools: {{p: {{backends: ['a:1']}}}}
listeners: {{l: {{bind: ':0', protocol: {protocol}, pool: p, limits: {text}}}}}
"""
    config = parse_config(tree)
    assert parse_config(to_yaml(config)) == config
    assert config_from(config) == config
    return config.listeners["l"].limits


def test_every_limit_arrives_in_the_model() -> None:
    found = limits(EVERY)
    assert (found.head, found.fields, found.target, found.body, found.requests) == (8192, 64, 2048, 1 << 20, 1000)
    assert found.request_rate == RequestRate(rate=1.5, burst=20)


def test_without_any_they_are_as_wide_as_can_be() -> None:
    found = limits("{}")
    assert (found.head, found.fields, found.target, found.body) == (16384, 128, None, None)
    assert (found.requests, found.request_rate) == (None, None)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_defaults_of_them_arrive_at_listeners_of_http_alone(protocol: str) -> None:
    assert limits("{retries: 1}", EVERY) == limits(EVERY.replace("{head", "{retries: 1, head"))
    assert limits("{}", EVERY, protocol) == limits("{}", "{}", protocol)


@pytest.mark.parametrize(
    ("text", "rate", "at_once"),
    [("50", 50, 50), ("50/s", 50, 50), ("90/m", 1.5, 1), ("1/h", 1 / 3600, 1), ("{rate: 5/d, burst: 7}", 5 / 86400, 7)],
)
def test_a_rate_is_read_exactly_and_bursts_for_a_second(text: str, rate: float, at_once: int) -> None:
    found = limits(f"{{request_rate: {text}}}").request_rate
    assert found is not None
    assert (found.rate, found.at_once) == (rate, at_once)


@CALM
@given(st.integers(1, 10**9), st.sampled_from("smhd"))
def test_paces_are_written_as_they_are_read(count: int, unit: str) -> None:
    per_second = parse_pace(f"{count}/{unit}")
    assert parse_pace(format_pace(per_second)) == per_second


@pytest.mark.parametrize("text", ["", "x", "5/", "5/x", "5/ms", "-1/s", "1e3", "5/sec", "1 /s", "\u0665"])
def test_a_pace_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_pace(text)


def http(text: str, path: str, says: str) -> Bad:
    return listener(f"protocol: http, limits: {{{text}}}", f".limits{path}", says)


BAD = [
    http("head: §63", ".head", "64"),
    http("head: §16385", ".head", "16KiB"),
    http("fields: §0", ".fields", "1"),
    http("fields: §129", ".fields", "128"),
    http("target: §0", ".target", "1"),
    http("body: §-1", ".body", "size"),
    http("requests: §0", ".requests", "1"),
    http("request_rate: {rate: §0/s}", ".request_rate.rate", "1/d"),
    http("request_rate: §5/week", ".request_rate", "the units are s, m, h and d"),
    http("request_rate: {rate: 5/s, burst: §0}", ".request_rate.burst", "1"),
    http("§request_rate: {rate: 1/d, burst: 31}", ".request_rate", "a burst of 31 takes more than 30 days"),
    http("§request_rate: {burst: 31}", ".request_rate.rate", "this key is missing; expected a rate such as 50/s"),
    http("§client_max_body_size: 1M", ".client_max_body_size", "it is called `body` here"),
    http("§limit_req: 1", ".limit_req", "it is called `request_rate` here"),
    *(
        listener(f"{protocol}limits: {{§{key}: 1000}}", f".limits.{key}", f"`{key}` is for HTTP; this listener has")
        for key in ("head", "target", "body", "requests", "request_rate")
        for protocol in ("", "protocol: udp, ")
        if (protocol, key) != ("protocol: udp, ", "")
    ),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.text[-60:])
def test_what_is_wrong_is_said_at_its_place(case: Bad) -> None:
    check(case)


def caps(workers: int = 1, **given: object) -> tuple[int, int]:
    rate = RequestRate.model_validate(given)
    front = Listener(bind=(":0",), protocol="http", pool="p", limits=Limits(request_rate=rate))
    row = http_row("l", front, lambda name: 0, workers).caps
    assert row is not None
    return row.gap_ns, row.room_ns


@pytest.mark.parametrize(
    ("workers", "gap_ns", "room_ns"),
    [(1, 10_000_000, 990_000_000), (4, 40_000_000, 960_000_000), (64, 640_000_000, 640_000_000)],
)
def test_each_worker_has_its_share_of_a_rate(workers: int, gap_ns: int, room_ns: int) -> None:
    assert caps(workers, rate=100.0) == (gap_ns, room_ns)


def test_the_widest_rates_fit_the_layout() -> None:
    for rate, burst in ((1e6, 10**6), (1 / 86400, 30), (1e6, 1)):
        for workers in (1, 64):
            assert all(0 <= value < 1 << 62 for value in caps(workers, rate=rate, burst=burst))


def test_a_target_is_bound_by_its_head() -> None:
    for said, most in (({}, 16384), ({"head": 1000}, 1000), ({"head": 1000, "target": 2000}, 1000), ({"target": 9}, 9)):
        front = Listener.model_validate({"bind": [":0"], "protocol": "http", "pool": "p", "limits": said})
        row = http_row("l", front, lambda name: 0, 1).caps
        assert row is not None
        assert row.target_bytes == most
