"""TCP options from the configuration to the sockets of a running nginy, and back by reload."""

import ctypes
import os
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nginy._fast import door
from nginy.control.options import congestion_of, system_congestion
from tests.conftest import StartNginy
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer
from tests.tools.proc import descriptors
from tests.tools.sockets import ask, connect, recv_exact
from tests.tools.waiting import wait_until

ALLOWED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control").read_text().split()
AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
OTHER = next((name for name in ALLOWED if name != system_congestion()), "")
PIDFD_GETFD = 438  # the same number on every architecture, pidfd_getfd(2)
RESTRICTED = [name for name in AVAILABLE if name not in ALLOWED]


def options_of(nginy: Nginy) -> list[tuple[int, bool, int, str]]:
    """(deferral in seconds, quick acknowledgements, fast open queue, congestion control) of each listening socket."""
    port = int(nginy.address().rpartition(":")[2])
    found = []
    for sock in sockets_of(nginy.pid):
        with sock:
            is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if is_listening and sock.family == socket.AF_INET and sock.getsockname()[1] == port:
                defer_s, is_quickack, fastopen = (
                    sock.getsockopt(socket.IPPROTO_TCP, option)
                    for option in (socket.TCP_DEFER_ACCEPT, socket.TCP_QUICKACK, socket.TCP_FASTOPEN)
                )
                found.append((defer_s, bool(is_quickack), fastopen, congestion_of(sock)))
    return found


def sockets_of(pid: int) -> Iterator[socket.socket]:
    """Copies of all sockets of another program; the caller closes each."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):  # closed since
                if os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                    fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
                    if fd >= 0:
                        yield socket.socket(fileno=fd)
    finally:
        os.close(pidfd)


def config(backend: Peer, front: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return tcp_config([backend.address], workers=2, listener={"tcp": dict(front or {})}, **more)


@pytest.mark.root
def test_reload_brings_options_to_living_sockets_and_takes_them_back(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend))
    usual = (0, True, 0, system_congestion())
    assert options_of(nginy) == [usual] * 2
    front = {"defer_accept": "1s", "quickack": "off", "fastopen": 9}
    if OTHER:
        front["congestion"] = OTHER
    address = nginy.address()
    changes = nginy.reload(config(backend, front))["changes"]
    assert "tcp.defer_accept off -> 1s" in changes[0]
    assert options_of(nginy) == [(1, False, 9, OTHER or system_congestion())] * 2
    assert ask(address, b"still there") == b"still there"
    nginy.reload(config(backend))
    assert options_of(nginy) == [usual] * 2
    assert nginy.address() == address


def test_a_deferred_listener_connects_to_a_backend_only_for_clients_that_speak(
    start_nginy: StartNginy, backend: Peer
) -> None:
    nginy = start_nginy(config(backend, {"defer_accept": "1h"}))
    with connect(nginy.address()), connect(nginy.address()) as client:
        client.sendall(b"me")
        assert recv_exact(client, 2) == b"me"
        assert nginy.listener("front")["sessions"] == 1
        assert backend.accepted == 1


def test_options_of_the_pool_do_not_stand_in_the_way(start_nginy: StartNginy, backend: Peer) -> None:
    for tcp in ({"quickack": "on"}, {"congestion": ALLOWED[0]}):
        nginy = start_nginy(tcp_config([backend.address], pool={"tcp": tcp}))
        assert ask(nginy.address(), b"x" * 100_000) == b"x" * 100_000


@pytest.mark.parametrize("side", ["listener", "pool"])
def test_an_unknown_congestion_control_is_a_start_error_and_a_reload_error(
    start_nginy: StartNginy, backend: Peer, side: str
) -> None:
    bad = tcp_config([backend.address], **{side: {"tcp": {"congestion": "no_such_one"}}})
    key = "listeners.front.tcp.congestion" if side == "listener" else "pools.back.tcp.congestion"
    refused = start_nginy(bad, wait=False)
    assert refused.wait_exit() == 2
    assert f"{key}: this kernel has no congestion control 'no_such_one'" in refused.log()
    nginy = start_nginy(tcp_config([backend.address]))
    nginy.write(bad)
    answer = nginy.ask("reload")
    assert not answer["ok"]
    assert f"{key}: this kernel has no congestion control 'no_such_one'" in answer["error"]
    assert f"available: {', '.join(AVAILABLE)}" in answer["error"]
    assert nginy.status()["generation"] == 1
    assert ask(nginy.address(), b"as before") == b"as before"


@pytest.mark.root
@pytest.mark.skipif(not RESTRICTED, reason="every congestion control is for everybody here")
def test_workers_without_root_are_not_promised_what_they_may_not_set(start_nginy: StartNginy, backend: Peer) -> None:
    pool = {"tcp": {"congestion": RESTRICTED[0]}}
    dropped = start_nginy(tcp_config([backend.address], pool=pool, runtime={"user": "nobody"}), wait=False)
    assert dropped.wait_exit() == 2
    assert f"pools.back.tcp.congestion: congestion control '{RESTRICTED[0]}' is for root only" in dropped.log()
    nginy = start_nginy(tcp_config([backend.address], runtime={"user": "nobody"}))
    nginy.write(tcp_config([backend.address], pool=pool, runtime={"user": "nobody"}))
    assert "is for root only" in nginy.ask("reload")["error"]
    front = {"tcp": {"congestion": RESTRICTED[0]}}
    nginy.reload(tcp_config([backend.address], listener=front, runtime={"user": "nobody"}))
    assert ask(nginy.address(), b"x") == b"x"


def test_the_memory_bound_is_said_once_at_the_start(start_nginy: StartNginy, backend: Peer) -> None:
    runtime = {"sessions": 100, "buffers": "1MiB", "pipes": "3MiB"}
    nginy = start_nginy(tcp_config([backend.address], workers=2, runtime=runtime))
    [line] = [line for line in nginy.log().splitlines() if "memory bound" in line]
    fields = dict(field.split("=") for field in line.split() if "=" in field)
    sessions_bytes = 100 * door.SESSION_BYTES
    assert {name: int(number) for name, number in fields.items()} == {
        "workers": 2,
        "sessions": 100,
        "sessions_bytes": sessions_bytes,
        "buffers_bytes": 2**20,
        "pipes_bytes": 3 * 2**20,
        "total_bytes": 2 * (sessions_bytes + 4 * 2**20),
    }
    assert [worker["counters"]["pipes_max"] for worker in nginy.workers()] == [3, 3]


def test_no_more_pipes_than_the_descriptors_allow(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(
        tcp_config([backend.address], runtime={"pipes": "4GiB"}), before=["prlimit", "--nofile=512:512"]
    )
    counters = nginy.workers()[0]["counters"]
    assert 0 < counters["pipes_max"] <= 512 // 16
    held = sum(descriptors(nginy.worker_pids()[0]).values())
    assert held + 2 * (counters["pipes_max"] + counters["sessions_max"]) <= 512


def test_without_pipes_bulk_arrives_all_the_same(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address], runtime={"pipes": 0}))
    sent = bytes(range(256)) * 40_000
    with connect(nginy.address()) as sock:
        sock.setblocking(False)
        assert exchange(sock, sent) == sent
    counters = nginy.workers()[0]["counters"]
    assert (counters["pipes_max"], counters["spliced_bytes"]) == (0, 0)
    wait_until(lambda: nginy.listener("front")["bytes_out"] == len(sent), "all is counted")


def exchange(sock: socket.socket, sent: bytes) -> bytes:
    """Send and receive at the same time, until as much came back as was sent."""
    answer, rest = bytearray(), memoryview(sent)
    while len(answer) < len(sent):
        readable, writable, _ = select.select([sock], [sock] if rest else [], [], 15)
        assert readable or writable, "nothing moves"
        if writable:
            rest = rest[sock.send(rest[: 1 << 16]) :]
        if readable:
            part = sock.recv(1 << 16)
            assert part
            answer += part
    return bytes(answer)
