"""`defaults`, outer to inner."""

import pytest

from nginy.config import parse_config, to_yaml
from nginy.errors import ConfigError
from nginy.model import DnsHealth, HttpHealth, Limits, Listener, Pool, TcpHealth, Timeouts


def listener(defaults: str, own: str = "", runtime: str = "{}") -> Listener:
    text = f"""
runtime: {runtime}
defaults: {{{defaults}}}
pools: {{p: {{backends: ['a:1']}}}}
listeners: {{l: {{bind: ':0', pool: p{", " if own else ""}{own}}}}}
"""
    return parse_config(text).listeners["l"]


def pool(defaults: str, own: str = "") -> Pool:
    text = f"""
defaults: {{{defaults}}}
pools: {{p: {{backends: ['a:1']{", " if own else ""}{own}}}}}
listeners: {{l: {{bind: ':0', pool: p}}}}
"""
    return parse_config(text).pools["p"]


@pytest.mark.parametrize(
    ("defaults", "own", "connect", "idle", "half_close"),
    [
        ("", "", 3, 900, 900),
        ("timeouts: {connect: 1s}", "", 1, 900, 900),
        ("timeouts: {connect: 1s}", "timeouts: {idle: 5s}", 1, 5, 5),
        ("timeouts: {idle: 1h}", "", 3, 3600, 3600),
        ("timeouts: {idle: 1h}", "timeouts: {idle: 5s}", 3, 5, 5),
        ("timeouts: {half_close: 1m}", "timeouts: {idle: 5s}", 3, 5, 60),
        ("timeouts: {half_close: 1m}", "timeouts: {half_close: 2m}", 3, 900, 120),
        ("timeouts: {connect: 1s}", "timeouts: ", 1, 900, 900),
        ("timeouts: ", "timeouts: {connect: 2s}", 2, 900, 900),
    ],
)
def test_timeouts_are_completed_key_by_key(
    defaults: str, own: str, connect: float, idle: float, half_close: float
) -> None:
    timeouts = listener(defaults, own).timeouts
    assert (timeouts.connect, timeouts.idle, timeouts.half_close) == (connect, idle, half_close)


@pytest.mark.parametrize(
    ("runtime", "defaults", "own", "drain"),
    [
        ("{}", "", "", None),
        ("{drain: 7s}", "", "", None),
        ("{drain: 7s}", "timeouts: {drain: 8s}", "", 8),
        ("{drain: 7s}", "timeouts: {drain: 8s}", "timeouts: {drain: 9s}", 9),
        ("{drain: 7s}", "", "timeouts: {drain: null}", None),
    ],
)
def test_a_listeners_own_drain_is_not_the_runtimes(
    runtime: str, defaults: str, own: str, drain: float | None
) -> None:
    assert listener(defaults, own, runtime).timeouts.drain == drain


def test_limits_and_switches_of_listeners() -> None:
    outer = "limits: {retries: 0, sessions: 9}, half_close: off, keepalive: 5s, splice: off"
    inherited = listener(outer)
    assert (inherited.limits.retries, inherited.limits.sessions) == (0, 9)
    assert (inherited.half_close, inherited.keepalive, inherited.splice) == (False, 5, "off")
    own = listener(outer, "limits: {sessions: null}, half_close: on, keepalive: off, splice: auto")
    assert (own.limits.retries, own.limits.sessions) == (0, None)
    assert (own.half_close, own.keepalive, own.splice) == (True, None, "auto")


OUTER = (
    "timeouts: {connect: 1s, idle: 2s, half_close: 3s, drain: 4s}, half_close: off, keepalive: 5s, splice: off, "
    "limits: {sessions: 9, flow_rate: 10/s, bandwidth: 1M}"
)


def test_udp_listener_gets_what_means_something_there() -> None:
    udp = listener(OUTER, "protocol: udp, limits: {flow_rate: 20/s}")
    usual = Listener(bind=(":0",), pool="p")
    assert udp.timeouts == Timeouts(drain=4)
    assert (udp.half_close, udp.keepalive, udp.splice) == (usual.half_close, usual.keepalive, usual.splice)
    assert udp.limits == Limits(sessions=9, flow_rate=20, bandwidth=2**20)


def test_tcp_listener_gets_no_limits_of_flows() -> None:
    assert listener(OUTER).limits == Limits(sessions=9)


@pytest.mark.parametrize(
    "own", ["", "protocol: udp", "protocol: udp, limits: {flow_rate: null}, timeouts: {drain: null}"]
)
def test_what_arrived_of_defaults_is_printed_and_read_back(own: str) -> None:
    text = f"defaults: {{{OUTER}}}\npools: {{p: {{backends: ['a:1']}}}}\n"
    config = parse_config(text + f"listeners: {{l: {{bind: ':0', pool: p{', ' if own else ''}{own}}}}}")
    assert parse_config(to_yaml(config)) == config
    assert to_yaml(config).count("flow_rate") == (2 if "null" in own else 1)


def test_policy_and_resolve_of_pools() -> None:
    assert pool("policy: random2, resolve: 1m").policy.kind == "random2"
    assert pool("policy: random2, resolve: 1m").resolve == 60
    assert pool("policy: random2, resolve: 1m", "policy: {kind: least_conn}").policy.kind == "least_conn"


HTTP = "health: {kind: http, interval: 5s, path: /x, expect: {status: 204}}"


def test_health_is_inherited_completed_or_switched_off() -> None:
    assert pool(HTTP).health == HttpHealth(interval=5.0, path="/x", expect={"status": ("204",)})  # type: ignore[arg-type]
    assert pool(HTTP, "health: off").health is None
    assert pool(HTTP, "health: null").health is None
    assert pool("health: off").health is None
    assert pool("health: tcp").health == TcpHealth()


def test_health_of_the_same_kind_is_completed_key_by_key() -> None:
    for own in ("health: {fall: 9}", "health: {kind: http, fall: 9}"):
        health = pool(HTTP, own).health
        assert isinstance(health, HttpHealth)
        assert (health.interval, health.path, health.fall, health.expect.status) == (5, "/x", 9, ("204",))


def test_health_of_another_kind_takes_over_what_all_kinds_have() -> None:
    assert pool(HTTP, "health: tcp").health == TcpHealth(interval=5.0)
    assert pool(HTTP, "health: {kind: tcp, rise: 2}").health == TcpHealth(interval=5.0, rise=2)
    assert pool(HTTP, "health: {kind: dns, name: a.test}").health == DnsHealth(interval=5.0, name="a.test")


def test_wrong_type_inside_is_refused_whatever_defaults_say() -> None:
    for own, path in (("timeouts: 3", "timeouts"), ("limits: [1]", "limits")):
        with pytest.raises(ConfigError) as caught:
            listener("timeouts: {idle: 1h}, limits: {retries: 1}", own)
        assert [problem.path for problem in caught.value.problems] == [f"listeners.l.{path}"]


@pytest.mark.parametrize(
    "own",
    ["", "health: off", "health: tcp", "health: http", "health: {fall: 9}", "health: {kind: tcp, rise: 2}"],
)
def test_inherited_health_is_printed_and_read_back(own: str) -> None:
    text = f"defaults: {{{HTTP}}}\npools: {{p: {{backends: ['a:1']{', ' if own else ''}{own}}}}}\n"
    config = parse_config(text + "listeners: {l: {bind: ':0', pool: p}}")
    assert parse_config(to_yaml(config)) == config


@pytest.mark.parametrize(
    ("defaults", "path"),
    [
        ("timeouts: {idle: soon}", "defaults.timeouts.idle"),
        ("timeouts: {idle: 0}", "defaults.timeouts.idle"),
        ("resolve: 1ms", "defaults.resolve"),
        ("keepalive: 0", "defaults.keepalive"),
        ("health: {kind: http, path: x}", "defaults.health.path"),
        ("health: {kind: nope}", "defaults.health.kind"),
        ("health: {kind: udp, send: {hex: xx}}", "defaults.health.send.hex"),
        ("limits: {flow_rate: soon}", "defaults.limits.flow_rate"),
        ("limits: {retries: 99}", "defaults.limits.retries"),
        ("half_close: maybe", "defaults.half_close"),
    ],
)
def test_problem_in_defaults_is_reported_once_and_there(defaults: str, path: str) -> None:
    own = ", health: {interval: 1s}" if "health" in defaults else ""
    with pytest.raises(ConfigError) as caught:
        parse_config(f"""
defaults: {{{defaults}}}
pools: {{p: {{backends: ['a:1']}}, q: {{backends: ['a:1']{own}}}}}
listeners: {{l: {{bind: ':0', pool: p}}, m: {{bind: ':0', pool: q, timeouts: {{connect: 1s}}}}}}
""")
    assert [problem.path for problem in caught.value.problems] == [path]
