"""Datagram sockets: real binds on loopback, their options and queues, and what is said when one fails."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nginy.config import parse_config
from nginy.control.datagrams import check_transparent, receive_bytes, short_queues
from nginy.control.holder import port_holder
from nginy.control.listeners import Group, Member, adopted_group, inodes_of, open_group
from nginy.errors import StartError

from .steering import Group as Steered
from .steering import client, wish

SHARED = 255
SO_RXQ_OVFL, IP_PKTINFO, UDP_GRO = 40, 8, 104
ASKED = 64 * 2**20


class Groups:
    def __init__(self) -> None:
        self.opened: list[Group] = []

    def open(self, text: str = "127.0.0.1:0", slots: int = 2, own: set[int] | None = None, **options: Any) -> Group:
        group = open_group(wish(text, **options), slots, SHARED, {}, own or ())
        self.opened.append(group)
        return group


@pytest.fixture
def groups() -> Iterator[Groups]:
    made = Groups()
    yield made
    for group in made.opened:
        group.close()


@contextmanager
def no_rights() -> Iterator[None]:
    """Without root's rights, as a user who may do nothing special."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def port_of(group: Group) -> int:
    return int(group.address.rpartition(":")[2])


def option(group: Group, level: int, name: int) -> set[int]:
    return {member.sock.getsockopt(level, name) for member in group.members}


def test_a_group_has_one_socket_per_slot_all_on_the_port_that_the_kernel_picked(groups: Groups) -> None:
    group = groups.open(slots=3)
    assert [member.slot for member in group.members] == [0, 1, 2]
    assert {member.sock.getsockname() for member in group.members} == {("127.0.0.1", port_of(group))}
    assert {member.sock.type for member in group.members} == {socket.SOCK_DGRAM}
    assert not any(member.sock.getblocking() or member.sock.get_inheritable() for member in group.members)


def test_the_kernel_never_picks_a_port_that_another_group_has(groups: Groups) -> None:
    """With SO_REUSEPORT set beforehand it may: one in 28,232 is hit within a few hundred groups (birthdays)."""
    found = [port_of(groups.open()) for _ in range(400)]
    assert len(set(found)) == len(found)


def test_every_socket_of_a_group_hears_clients_and_each_client_only_one(groups: Groups) -> None:
    group = groups.open(slots=3)
    seen = Steered([member.sock for member in group.members])
    arrived = set()
    for _ in range(64):
        with client() as sock:
            places = {seen.arrival(sock, b"%d" % turn) for turn in range(4)}
            assert len(places) == 1
            arrived |= places
    assert arrived == {0, 1, 2}


def test_no_flow_meets_two_workers_while_the_group_is_made(groups: Groups) -> None:
    """Clients that send all the time, to a port that is opened and closed again and again."""
    port = port_of(groups.open(slots=1))
    groups.opened[0].close()
    met_by_many = 0
    with flood(port):
        for _ in range(60):
            group = groups.open(f"127.0.0.1:{port}", slots=8)
            senders = [senders_of(member.sock) for member in group.members]
            met_by_many += sum(map(len, senders)) - len(set().union(*senders))
            group.close()
    assert not met_by_many


@contextmanager
def flood(port: int) -> Iterator[None]:
    is_over = threading.Event()

    def send() -> None:
        socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
        while not is_over.is_set():
            for sock in socks:
                sock.sendto(b"!", ("127.0.0.1", port))
        for sock in socks:
            sock.close()

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def senders_of(sock: socket.socket) -> set[int]:
    """Ports that have sent something here, as far as it has come by now."""
    found = set()
    with suppress(BlockingIOError):
        for _ in range(4096):
            found.add(sock.recvfrom(16)[1][1])
    return found


def test_a_changed_key_steers_the_living_group_anew(groups: Groups) -> None:
    group = groups.open(slots=4)
    seen = Steered([member.sock for member in group.members])
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(32)]
    try:
        assert len({seen.arrival(sock) for sock in socks}) > 1
        group.tune(wish("127.0.0.1:0", steer_by="source"))
        assert len({seen.arrival(sock) for sock in socks}) == 1
    finally:
        for sock in socks:
            sock.close()


def test_what_a_reload_leaves_alone_is_not_steered_anew(groups: Groups) -> None:
    """Another program has another seed: every flow would move."""
    group = groups.open(slots=4)
    seen = Steered([member.sock for member in group.members])
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(32)]
    try:
        before = [seen.arrival(sock) for sock in socks]
        group.tune(wish("127.0.0.1:0", is_gro=True))
        assert [seen.arrival(sock) for sock in socks] == before
    finally:
        for sock in socks:
            sock.close()


def test_drops_of_the_kernel_are_told_and_queues_are_as_long_as_asked_for(groups: Groups) -> None:
    group = groups.open(slots=2)
    assert option(group, socket.SOL_SOCKET, SO_RXQ_OVFL) == {1}
    assert {receive_bytes(member.sock) for member in group.members} == {65536}
    assert min(option(group, socket.SOL_SOCKET, socket.SO_SNDBUF)) >= 2**20


@pytest.mark.parametrize(
    ("text", "level", "name", "expected"),
    [
        ("0.0.0.0:0", socket.IPPROTO_IP, IP_PKTINFO, 1),
        ("127.0.0.1:0", socket.IPPROTO_IP, IP_PKTINFO, 0),
        ("[::]:0", socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1),
        ("[::1]:0", socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 0),
    ],
)
def test_wildcards_are_told_which_address_was_asked(
    groups: Groups, text: str, level: int, name: int, expected: int
) -> None:
    group = groups.open(text)
    assert option(group, level, name) == {expected}
    assert group.wish.is_wildcard == bool(expected)


def test_ipv6_leaves_the_same_port_of_ipv4_alone(groups: Groups) -> None:
    port = port_of(groups.open("[::]:0"))
    assert port_of(groups.open(f"0.0.0.0:{port}")) == port


def test_runs_are_received_as_one_only_where_asked_for(groups: Groups) -> None:
    group = groups.open(is_gro=True)
    assert option(group, socket.IPPROTO_UDP, UDP_GRO) == {1}
    group.tune(wish("127.0.0.1:0"))
    assert option(group, socket.IPPROTO_UDP, UDP_GRO) == {0}


def test_a_changed_queue_reaches_living_sockets(groups: Groups) -> None:
    group = groups.open()
    group.tune(replace(group.wish, rcvbuf=131072))
    assert {receive_bytes(member.sock) for member in group.members} == {131072}


def test_the_right_to_more_than_the_system_allows_is_used_where_there_is_one(groups: Groups) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs CAP_NET_ADMIN")
    group = open_group(replace(wish(), rcvbuf=ASKED), 1, SHARED, {})
    groups.opened.append(group)
    assert receive_bytes(group.members[0].sock) == ASKED
    assert short_queues([(group.wish, group.members[0].sock)]) == []


def test_a_queue_that_the_system_cuts_short_is_told_with_the_remedy(groups: Groups) -> None:
    allowed = int(Path("/proc/sys/net/core/rmem_max").read_text())
    with no_rights():
        group = open_group(replace(wish(), rcvbuf=allowed * 4), 2, SHARED, {})
    groups.opened.append(group)
    assert receive_bytes(group.members[0].sock) == allowed
    [told] = short_queues([(group.wish, member.sock) for member in group.members])
    assert told == (
        f"listeners.dns.udp.rcvbuf: {allowed * 4} bytes are asked for, the system gives {allowed}: raise "
        f"net.core.rmem_max (now {allowed}) to {allowed * 4}, start with CAP_NET_ADMIN, or ask for less"
    )


def test_a_closed_socket_has_no_queue() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.close()
    assert receive_bytes(sock) == 0


def test_an_occupied_port_is_refused_with_its_holder(groups: Groups) -> None:
    with client() as other:
        port = other.getsockname()[1]
        expected = rf"listener dns: 127.0.0.1:{port} \(udp\) is taken by this very .*pid {os.getpid()}"
        with pytest.raises(StartError, match=expected):
            groups.open(f"127.0.0.1:{port}")


def test_a_group_of_somebody_else_is_not_joined_unknowingly(groups: Groups) -> None:
    port = port_of(groups.open())
    with pytest.raises(StartError, match="is taken by"):
        groups.open(f"127.0.0.1:{port}")


def test_a_socket_that_would_share_its_port_with_everybody_is_in_the_way_all_the_same(groups: Groups) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        with pytest.raises(StartError, match="is taken by"):
            groups.open(f"127.0.0.1:{other.getsockname()[1]}")


def test_a_wildcard_in_the_way_is_found(groups: Groups) -> None:
    port = port_of(groups.open("0.0.0.0:0"))
    with pytest.raises(StartError, match=f"pid {os.getpid()}"):
        groups.open(f"127.0.0.1:{port}")


def test_own_sockets_in_the_way_are_about_to_go_and_do_not_count(groups: Groups) -> None:
    old = groups.open("0.0.0.0:0")
    assert port_of(groups.open(f"127.0.0.1:{port_of(old)}", own=inodes_of([old]))) == port_of(old)


def test_tcp_on_the_same_port_is_not_in_the_way(groups: Groups) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert port_of(groups.open(f"127.0.0.1:{port}")) == port
        assert port_holder("tcp", socket.AF_INET, "127.0.0.1", port) is not None
    assert port_holder("tcp", socket.AF_INET, "127.0.0.1", port) is None


def test_nothing_stays_open_after_a_refusal(groups: Groups) -> None:
    before = os.listdir("/proc/self/fd")
    with client() as other, pytest.raises(StartError):
        groups.open(f"127.0.0.1:{other.getsockname()[1]}")
    assert os.listdir("/proc/self/fd") == before


def test_an_address_that_is_not_ours_is_named(groups: Groups) -> None:
    with pytest.raises(StartError, match=r"cannot bind 192\.0\.2\.1:53 \(udp\).*no such address"):
        groups.open("192.0.2.1:53")


def test_an_adopted_group_knows_its_address_and_stays_steered(groups: Groups) -> None:
    group = groups.open(slots=4)
    members = [Member(one.slot, socket.socket(fileno=os.dup(one.sock.fileno()))) for one in group.members]
    copy = adopted_group(group.wish, members)
    groups.opened.append(copy)
    assert copy.address == group.address
    seen, again = (Steered([member.sock for member in one.members]) for one in (group, copy))
    for _ in range(32):
        with client() as sock:
            assert seen.arrival(sock) == again.arrival(sock)


def transparent(is_on: bool) -> Any:
    tree = {
        "pools": {"p": {"backends": ["127.0.0.1:9"], "udp": {"transparent": is_on}}},
        "listeners": {"l": {"bind": "127.0.0.1:1053", "protocol": "udp", "pool": "p"}},
    }
    return parse_config(tree)


def test_addresses_of_clients_need_a_right_that_workers_keep() -> None:
    with pytest.raises(StartError, match=r"pools\.p\.udp\.transparent: workers lose .*runtime\.user"):
        check_transparent(transparent(True), drops_root=True)
    with no_rights(), pytest.raises(StartError, match=r"pools\.p\.udp\.transparent: needs CAP_NET_ADMIN"):
        check_transparent(transparent(True))
    with no_rights():
        check_transparent(transparent(False), drops_root=True)
