"""Listeners: real binds on loopback, and what is said when one fails."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nginy.control.holder import port_holder, unix_holder
from nginy.control.listeners import Group, Member, adopted_group, inodes_of, open_group
from nginy.control.plan import BindWish, split_bind
from nginy.errors import StartError

SHARED = 255


def wish(text: str, backlog: int = 64, keepalive_s: int = 60, **options: Any) -> BindWish:
    kind, target, port = split_bind(text)
    return BindWish(text, "web", text, kind, target, port, backlog, keepalive_s, **options)


class Groups:
    def __init__(self) -> None:
        self.opened: list[Group] = []

    def open(self, text: str, slots: int = 2, own: set[int] | None = None, **options: Any) -> Group:
        group = open_group(wish(text, **options), slots, SHARED, {}, own or ())
        self.opened.append(group)
        return group


@pytest.fixture
def groups() -> Iterator[Groups]:
    made = Groups()
    yield made
    for group in made.opened:
        group.unlink()
        group.close()


def port_of(group: Group) -> int:
    return int(group.address.rpartition(":")[2])


def test_a_group_has_one_socket_per_slot_all_on_the_port_that_the_kernel_picked(groups: Groups) -> None:
    group = groups.open("127.0.0.1:0", slots=3)
    assert [member.slot for member in group.members] == [0, 1, 2]
    assert {member.sock.getsockname() for member in group.members} == {("127.0.0.1", port_of(group))}


def test_accepted_sockets_inherit_nodelay_and_keepalive(groups: Groups) -> None:
    group = groups.open("127.0.0.1:0", slots=1, keepalive_s=17)
    with socket.create_connection(("127.0.0.1", port_of(group))):
        group.members[0].sock.setblocking(True)
        accepted, _ = group.members[0].sock.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 17


def test_sockets_do_not_block_and_are_not_inherited_by_children(groups: Groups) -> None:
    for member in groups.open("127.0.0.1:0").members:
        assert not member.sock.getblocking()
        assert not member.sock.get_inheritable()


def test_ipv6_leaves_the_same_port_of_ipv4_alone(groups: Groups) -> None:
    port = port_of(groups.open("[::]:0"))
    assert port_of(groups.open(f"0.0.0.0:{port}")) == port


def test_changed_options_reach_living_sockets(groups: Groups) -> None:
    group = groups.open("127.0.0.1:0", slots=1, keepalive_s=60)
    group.tune(wish("127.0.0.1:0", backlog=3, keepalive_s=0))
    sock = group.members[0].sock
    assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    assert int.from_bytes(state[28:32], "little") == 3  # tcpi_sacked: the backlog of a listening socket


def test_an_occupied_port_is_refused_with_its_holder(groups: Groups) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=rf"web: 127.0.0.1:{port} is taken by this very .*pid {os.getpid()}"):
            groups.open(f"127.0.0.1:{port}")


def test_a_reuseport_group_of_somebody_else_is_not_joined_unknowingly(groups: Groups) -> None:
    port = port_of(groups.open("127.0.0.1:0"))
    with pytest.raises(StartError, match="is taken by"):
        groups.open(f"127.0.0.1:{port}")


def test_a_wildcard_in_the_way_is_found(groups: Groups) -> None:
    port = port_of(groups.open("0.0.0.0:0"))
    with pytest.raises(StartError, match=f"pid {os.getpid()}"):
        groups.open(f"127.0.0.1:{port}")


def test_own_sockets_in_the_way_are_about_to_go_and_do_not_count(groups: Groups) -> None:
    old = groups.open("0.0.0.0:0")
    new = groups.open(f"127.0.0.1:{port_of(old)}", own=inodes_of([old]))
    assert port_of(new) == port_of(old)


def test_nothing_stays_open_after_a_refusal(groups: Groups) -> None:
    before = os.listdir("/proc/self/fd")
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(StartError):
        groups.open(f"127.0.0.1:{other.getsockname()[1]}")
    assert os.listdir("/proc/self/fd") == before


def test_an_address_that_is_not_ours_is_named(groups: Groups) -> None:
    with pytest.raises(StartError, match=r"cannot bind 192\.0\.2\.1:80.*no such address"):
        groups.open("192.0.2.1:80")


def test_a_privileged_port_names_the_remedy(groups: Groups) -> None:
    limit = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if os.geteuid() == 0 or limit < 80:
        pytest.skip("this user may bind port 80")
    with pytest.raises(StartError, match="CAP_NET_BIND_SERVICE"):
        groups.open("127.0.0.1:79")


def test_unix_socket_is_shared_and_its_file_goes_with_it(groups: Groups, tmp_path: Path) -> None:
    path = tmp_path / "s"
    group = groups.open(f"unix:{path}")
    assert [member.slot for member in group.members] == [SHARED]
    assert unix_holder(str(path)) is not None
    group.unlink()
    assert not path.exists()


def test_a_stale_unix_socket_is_replaced_and_a_living_one_is_not(groups: Groups, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    groups.open(f"unix:{path}")
    with pytest.raises(StartError, match=rf"is taken by .*pid {os.getpid()}"):
        groups.open(f"unix:{path}")


def test_a_file_that_is_no_socket_is_left_alone(groups: Groups, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("bytes")
    with pytest.raises(StartError, match="not a socket"):
        groups.open(f"unix:{path}")
    assert path.read_text() == "bytes"


def test_the_file_of_a_successor_is_not_removed(groups: Groups, tmp_path: Path) -> None:
    path = tmp_path / "s"
    group = groups.open(f"unix:{path}")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(path))
        group.unlink()
        assert path.exists()


def test_sockets_of_activation_are_found_by_name_and_shared(groups: Groups) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        group = open_group(wish("systemd:web"), 4, SHARED, {"web": [given.fileno()]})
        groups.opened.append(group)
        assert [member.slot for member in group.members] == [SHARED]
        assert group.address == f"127.0.0.1:{given.getsockname()[1]}"
        assert given.fileno() != group.members[0].sock.fileno()


def test_a_missing_name_of_activation_says_what_was_passed() -> None:
    with pytest.raises(StartError, match=r"no socket named 'web' was passed \(passed: none\)"):
        open_group(wish("systemd:web"), 1, SHARED, {})


def test_a_datagram_socket_of_activation_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as given:
        with pytest.raises(StartError, match="not a listening stream socket"):
            open_group(wish("systemd:web"), 1, SHARED, {"web": [given.fileno()]})


def test_an_adopted_group_knows_its_address_and_its_file(groups: Groups, tmp_path: Path) -> None:
    tcp = groups.open("127.0.0.1:0", slots=1)
    copy = adopted_group(tcp.wish, [Member(0, tcp.members[0].sock.dup())])
    groups.opened.append(copy)
    assert copy.address == tcp.address
    unix = groups.open(f"unix:{tmp_path / 's'}")
    again = adopted_group(unix.wish, [Member(SHARED, unix.members[0].sock.dup())])
    groups.opened.append(again)
    assert again.node == unix.node is not None


def test_nobody_holds_a_free_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    assert port_holder("tcp", socket.AF_INET, "127.0.0.1", port) is None
