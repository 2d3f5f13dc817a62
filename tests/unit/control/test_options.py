"""Options: what bound sockets carry, what their children inherit, and names that this kernel does not have."""

import os
import select
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nginy.config import parse_config
from nginy.control.listeners import Group, open_group
from nginy.control.options import check_congestion, congestion_of, idle_options, system_congestion
from nginy.control.plan import BindWish, wanted_binds
from nginy.errors import StartError
from nginy.model import Config

SHARED = 255
TCP = socket.IPPROTO_TCP
ALLOWED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control").read_text().split()
AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
OTHER = next((name for name in ALLOWED if name != system_congestion()), "")
RESTRICTED = [name for name in AVAILABLE if name not in ALLOWED]


Options = dict[str, Any]


def config(front: Options | None = None, back: Options | None = None, bind: Any = "127.0.0.1:0") -> Config:
    pool = {"backends": ["127.0.0.1:1"], "tcp": back or {}}
    return parse_config({"pools": {"p": pool}, "listeners": {"web": {"bind": bind, "pool": "p", "tcp": front or {}}}})


def wish(front: Options | None = None, bind: str = "127.0.0.1:0") -> BindWish:
    return wanted_binds(config(front, bind=bind))[0]


class Groups:
    def __init__(self) -> None:
        self.opened: list[Group] = []

    def open(self, wanted: BindWish, inherited: socket.socket | None = None) -> Group:
        passed = {"web": [inherited.fileno()]} if inherited is not None else {}
        self.opened.append(open_group(wanted, 2, SHARED, passed))
        return self.opened[-1]


@pytest.fixture
def groups() -> Iterator[Groups]:
    made = Groups()
    yield made
    for group in made.opened:
        group.unlink()
        group.close()


def seen(sock: socket.socket) -> tuple[int, bool, int, str]:
    """(deferral in seconds, quick acknowledgements, length of the fast open queue, congestion control)"""
    return (
        sock.getsockopt(TCP, socket.TCP_DEFER_ACCEPT),
        bool(sock.getsockopt(TCP, socket.TCP_QUICKACK)),
        sock.getsockopt(TCP, socket.TCP_FASTOPEN),
        congestion_of(sock),
    )


def usual() -> tuple[int, bool, int, str]:
    return 0, True, 0, system_congestion()


ALL = {"defer_accept": "1s", "quickack": "off", "fastopen": 16, "congestion": OTHER or system_congestion()}
ALL_SEEN = (1, False, 16, OTHER or system_congestion())


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "[::1]:0"])
def test_every_socket_of_a_group_carries_the_options(groups: Groups, bind: str) -> None:
    assert {seen(member.sock) for member in groups.open(wish(ALL, bind)).members} == {ALL_SEEN}
    assert {seen(member.sock) for member in groups.open(wish(bind=bind)).members} == {usual()}


def test_accepted_sockets_inherit_congestion_and_quickack(groups: Groups) -> None:
    group = groups.open(wish(ALL | {"defer_accept": "off"}))
    host, _, port = group.address.rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"x")
        waiting = [member.sock for member in group.members]
        accepted = accept_any(waiting)
        with accepted:
            assert congestion_of(accepted) == ALL_SEEN[3]
            assert not accepted.getsockopt(TCP, socket.TCP_QUICKACK)


def accept_any(listening: list[socket.socket]) -> socket.socket:
    ready, _, _ = select.select(listening, [], [], 10)
    accepted, _ = ready[0].accept()
    return accepted


def test_a_deferred_client_is_handed_over_with_its_first_bytes(groups: Groups) -> None:
    group = groups.open(wish({"defer_accept": "1m"}))
    host, _, port = group.address.rpartition(":")
    listening = [member.sock for member in group.members]
    with socket.create_connection((host, int(port))) as silent, socket.create_connection((host, int(port))) as client:
        assert select.select(listening, [], [], 0)[0] == []
        client.sendall(b"first")
        with accept_any(listening) as accepted:
            assert accepted.getpeername() == client.getsockname()
            assert accepted.recv(5) == b"first"
        assert silent.fileno() >= 0


@pytest.mark.parametrize("kind", ["bound", "inherited"])
def test_changed_options_reach_living_sockets_and_go_back_to_the_defaults(groups: Groups, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        bind = "127.0.0.1:0" if kind == "bound" else "systemd:web"
        group = groups.open(wish(bind=bind), given)
        for options, expected in (
            ({"defer_accept": "1s"}, (1, *usual()[1:])),
            ({"quickack": "off"}, (0, False, *usual()[2:])),
            ({"fastopen": 3}, (0, True, 3, usual()[3])),
            (ALL, ALL_SEEN),
            ({}, usual()),
        ):
            wanted = wish(options, bind)
            group.tune(wanted)
            assert {seen(member.sock) for member in group.members} == {expected}
            group = replace(group, wish=wanted)


def test_another_backlog_leaves_the_options_as_they_are(groups: Groups) -> None:
    group = groups.open(wish(ALL))
    group.tune(replace(wish(ALL), backlog=7))
    assert {seen(member.sock) for member in group.members} == {ALL_SEEN}


def test_a_socket_of_activation_loses_what_an_earlier_nginy_has_set(groups: Groups) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        groups.open(wish(ALL, "systemd:web"), given)
        assert seen(given) == ALL_SEEN
        groups.open(wish(bind="systemd:web"), given)
        assert seen(given) == usual()


def test_a_unix_socket_of_activation_is_left_as_it_is(groups: Groups, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as given:
        given.bind(str(tmp_path / "s"))
        given.listen()
        group = groups.open(wish(ALL, "systemd:web"), given)
        group.tune(wish(bind="systemd:web"))


@pytest.mark.parametrize(
    ("front", "back", "key"),
    [
        ({"congestion": "no_such_one"}, {}, "listeners.web.tcp.congestion"),
        ({}, {"congestion": "no_such_one"}, "pools.p.tcp.congestion"),
    ],
)
def test_an_unknown_congestion_control_is_refused_with_key_name_and_choices(
    front: Options, back: Options, key: str
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StartError, match="no congestion control 'no_such_one'") as caught:
        check_congestion(config(front, back))
    assert str(caught.value).startswith(f"{key}: ")
    assert f"available: {', '.join(AVAILABLE)}" in str(caught.value)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_known_congestion_control_is_accepted_on_both_sides() -> None:
    for name in ALLOWED:
        check_congestion(config({"congestion": name}, {"congestion": name}), drops_root=True)


@pytest.mark.skipif(not RESTRICTED, reason="every congestion control is for everybody here")
def test_one_for_root_only_is_refused_where_workers_would_have_to_set_it() -> None:
    name = RESTRICTED[0]
    with pytest.raises(StartError, match=rf"pools.p.tcp.congestion: .*'{name}' is for root only.*{ALLOWED[0]}"):
        check_congestion(config(back={"congestion": name}), drops_root=True)
    if os.geteuid() == 0:
        check_congestion(config(back={"congestion": name}))
        check_congestion(config({"congestion": name}), drops_root=True)  # control binds before rights are dropped


def test_fast_open_that_the_system_has_switched_off_is_named() -> None:
    switch = int(Path("/proc/sys/net/ipv4/tcp_fastopen").read_text())
    said = idle_options(config({"fastopen": 5}, {"fastopen": "on"}))
    missing = [path for path, bit in (("listeners.web", 2), ("pools.p", 1)) if not switch & bit]
    assert [text.split(".tcp.fastopen has no effect")[0] for text in said] == missing
    assert all(f"net.ipv4.tcp_fastopen is {switch}, write " in text for text in said)
    assert idle_options(config({"fastopen": "off"}, {"fastopen": "off"})) == []


@pytest.mark.root
@pytest.mark.skipif(not RESTRICTED, reason="every congestion control is for everybody here")
def test_one_for_root_only_is_refused_to_others() -> None:
    read, write = os.pipe()
    if not os.fork():
        try:
            os.setgid(65534)
            os.setuid(65534)
            try:
                check_congestion(config({"congestion": RESTRICTED[0]}))
            except StartError as error:
                os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as said:
        assert f"listeners.web.tcp.congestion: congestion control '{RESTRICTED[0]}' is for root only" in said.read()
    os.wait()
