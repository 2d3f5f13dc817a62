"""Plan: which sockets stay, come and go."""

import pytest

from nginy.config import parse_config
from nginy.control.plan import BindWish, plan_binds, split_bind, wanted_binds


def wishes(**listeners: object) -> list[BindWish]:
    tree = {"pools": {"p": {"backends": ["127.0.0.1:9"]}}, "listeners": listeners}
    return wanted_binds(parse_config(tree))


def listener(*binds: str, **options: object) -> dict[str, object]:
    return {"bind": list(binds), "pool": "p", **options}


def held(found: list[BindWish]) -> dict[str, BindWish]:
    return {wish.key: wish for wish in found}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", ("tcp", "127.0.0.1", 80)),
        ("[::1]:8080", ("tcp", "::1", 8080)),
        ("0.0.0.0:0", ("tcp", "0.0.0.0", 0)),
        ("unix:/run/x.sock", ("unix", "/run/x.sock", 0)),
        ("systemd:web", ("systemd", "web", 0)),
    ],
)
def test_bind_is_taken_apart(text: str, expected: tuple[str, str, int]) -> None:
    assert split_bind(text) == expected


def test_nothing_changes_when_nothing_changed() -> None:
    before = wishes(web=listener("127.0.0.1:1080", "[::1]:1080"))
    plan = plan_binds(held(before), before)
    assert plan.keep == ("127.0.0.1:1080", "[::1]:1080")
    assert not (plan.open or plan.close or plan.retune)


def test_only_the_bind_that_differs_is_opened_or_closed() -> None:
    plan = plan_binds(held(wishes(web=listener(":1080", ":1081"))), wishes(web=listener(":1081", ":1082")))
    assert [wish.port for wish in plan.open] == [1082]
    assert len(plan.keep) == len(plan.close) == 1
    assert "1080" in plan.close[0]


def test_a_renamed_listener_keeps_its_socket() -> None:
    plan = plan_binds(held(wishes(web=listener(":1080"))), wishes(site=listener(":1080")))
    assert not plan.open
    assert not plan.close
    assert [wish.listener for wish in plan.retune] == ["site"]


@pytest.mark.parametrize(
    "option",
    [
        {"backlog": 7},
        {"keepalive": "10s"},
        {"keepalive": "off"},
        {"tcp": {"defer_accept": "1s"}},
        {"tcp": {"quickack": "off"}},
        {"tcp": {"fastopen": 5}},
        {"tcp": {"congestion": "cubic"}},
    ],
)
def test_changed_options_are_set_on_the_living_socket(option: dict[str, object]) -> None:
    plan = plan_binds(held(wishes(web=listener(":1080"))), wishes(web=listener(":1080", **option)))
    assert len(plan.retune) == 1
    assert not (plan.open or plan.close or plan.keep)


def test_ports_picked_by_the_kernel_belong_to_their_place_in_the_configuration() -> None:
    first = wishes(a=listener("127.0.0.1:0", "127.0.0.1:0"), b=listener("127.0.0.1:0"))
    assert len({wish.key for wish in first}) == 3
    plan = plan_binds(held(first), wishes(b=listener("127.0.0.1:0")))
    assert len(plan.keep) == 1
    assert len(plan.close) == 2


def test_tcp_options_stand_in_the_wish_with_zeros_for_off() -> None:
    tcp = {"defer_accept": "1m", "quickack": "off", "fastopen": 9, "congestion": "bbr"}
    [told, usual] = wishes(a=listener(":1", tcp=tcp), b=listener("systemd:b"))
    assert (told.defer_s, told.is_quickack, told.fastopen, told.congestion) == (60, False, 9, "bbr")
    assert (usual.defer_s, usual.is_quickack, usual.fastopen, usual.congestion) == (0, True, 0, "")


def test_tcp_options_leave_the_unix_socket_beside_it_alone() -> None:
    before = wishes(web=listener(":1080", "unix:/run/w"))
    plan = plan_binds(held(before), wishes(web=listener(":1080", "unix:/run/w", tcp={"quickack": "off"})))
    assert [wish.kind for wish in plan.retune] == ["tcp"]
    assert plan.keep == ("unix:/run/w",)


def test_keepalive_off_is_zero_and_a_fraction_is_at_least_a_second() -> None:
    found = wishes(a=listener(":1", keepalive="off"), b=listener(":2", keepalive="1500ms"))
    assert [wish.keepalive_s for wish in found] == [0, 2]


def dns(*binds: str, **options: object) -> dict[str, object]:
    return listener(*binds, protocol="udp", **options)


def test_udp_and_tcp_on_one_port_are_two_binds() -> None:
    tcp, udp = wishes(web=listener("127.0.0.1:53"), dns=dns("127.0.0.1:53"))
    assert (tcp.kind, udp.kind) == ("tcp", "udp")
    assert tcp.key != udp.key
    plan = plan_binds(held([tcp]), [tcp, udp])
    assert (plan.keep, plan.open) == ((tcp.key,), (udp,))


def test_a_range_of_ports_is_one_bind_for_each() -> None:
    found = wishes(game=dns("127.0.0.1:5000-5003", "[::1]:6000"))
    assert [(wish.target, wish.port) for wish in found] == [
        ("127.0.0.1", 5000), ("127.0.0.1", 5001), ("127.0.0.1", 5002), ("127.0.0.1", 5003), ("::1", 6000)
    ]  # fmt: skip
    assert [wish.is_of_range for wish in found] == [True] * 4 + [False]
    assert (found[1].where, found[4].where) == ("127.0.0.1:5001", "[::1]:6000")
    assert len({wish.key for wish in found}) == 5


def test_a_port_that_leaves_a_range_is_the_only_one_closed() -> None:
    plan = plan_binds(held(wishes(game=dns(":5000-5003"))), wishes(game=dns(":5000-5002", ":5003")))
    assert not (plan.open or plan.close)
    plan = plan_binds(held(wishes(game=dns(":5000-5003"))), wishes(game=dns(":5001-5003")))
    assert plan.close == ("udp:0.0.0.0:5000",)
    assert not plan.open


def test_udp_ports_picked_by_the_kernel_belong_to_their_place_in_the_configuration() -> None:
    found = wishes(a=dns("127.0.0.1:0", "127.0.0.1:0"), b=dns("127.0.0.1:0"), c=listener("127.0.0.1:0"))
    assert len({wish.key for wish in found}) == 4


@pytest.mark.parametrize(
    ("key", "steering"),
    [
        ("tuple", ("tuple", 0, 0)),
        ("source", ("source", 0, 0)),
        ({"kind": "bytes", "offset": 2, "length": 9}, ("bytes", 2, 9)),
        ({"kind": "quic_cid", "length": 12}, ("source", 0, 0)),  # ids change during the handshake
    ],
)
def test_the_key_of_a_session_steers_its_sockets(key: object, steering: tuple[str, int, int]) -> None:
    [wish] = wishes(dns=dns(":53", session={"key": key}))
    assert (wish.steer_by, wish.steer_offset, wish.steer_bytes) == steering


@pytest.mark.parametrize(
    "option", [{"udp": {"rcvbuf": "1M"}}, {"udp": {"gro": "on"}}, {"session": {"key": "source"}}]
)
def test_changed_udp_options_are_set_on_the_living_socket(option: dict[str, object]) -> None:
    plan = plan_binds(held(wishes(dns=dns(":53"))), wishes(dns=dns(":53", **option)))
    assert len(plan.retune) == 1
    assert not (plan.open or plan.close or plan.keep)


@pytest.mark.parametrize("option", [{"session": {"idle": "1s"}}, {"limits": {"flow_rate": "5/s"}}])
def test_what_only_workers_read_leaves_the_socket_alone(option: dict[str, object]) -> None:
    plan = plan_binds(held(wishes(dns=dns(":53"))), wishes(dns=dns(":53", **option)))
    assert plan.keep == ("udp:0.0.0.0:53",)


@pytest.mark.parametrize(("bind", "is_wildcard"), [(":53", True), ("[::]:53", True), ("127.0.0.1:53", False)])
def test_udp_on_all_addresses_is_a_wildcard(bind: str, is_wildcard: bool) -> None:
    assert [wish.is_wildcard for wish in wishes(dns=dns(bind))] == [is_wildcard]
    assert [wish.is_wildcard for wish in wishes(web=listener(bind))] == [False]
