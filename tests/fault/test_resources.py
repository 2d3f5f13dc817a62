"""Descriptors, ports, accept queues run out: sessions are refused with a reason, nothing else suffers."""

import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import ROOT, Nginy
from tests.tools.peers import FullBacklog, Peer, echo
from tests.tools.proc import cpu_s, free_numbers
from tests.tools.sockets import ask, connect, read_to_end, recv_exact, reset
from tests.tools.traffic import EchoBackend
from tests.tools.waiting import wait_until


def limit_descriptors(pid: int, soft: int) -> None:
    """Set the soft limit of a running program."""
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_accepting_pauses_and_sessions_go_on(
    start_nginy: StartNginy, backend: Peer
) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    pid = nginy.worker_pids()[0]
    first_limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
    with connect(nginy.address()) as living, contextlib.ExitStack() as stack:
        living.sendall(b"x")
        assert recv_exact(living, 1) == b"x"
        limit_descriptors(pid, free_numbers(pid, 1)[0])
        waiting = [stack.enter_context(connect(nginy.address())) for _ in range(4)]
        wait_until(lambda: nginy.workers()[0]["counters"]["accept_paused"] >= 3, "accepting pauses")
        before_s, paused = cpu_s(pid), nginy.workers()[0]["counters"]["accept_paused"]
        for _ in range(100):
            living.sendall(b"still alive")
            assert recv_exact(living, 11) == b"still alive"
        wait_until(
            lambda: nginy.workers()[0]["counters"]["accept_paused"] >= paused + 5, "it looks again by a timer"
        )
        assert cpu_s(pid) - before_s < 1.0
        limit_descriptors(pid, first_limit)
        for sock in waiting:
            sock.sendall(b"at last")
            assert recv_exact(sock, 7) == b"at last"


def test_without_a_descriptor_for_the_backend_the_session_is_refused_not_the_worker(
    start_nginy: StartNginy, backend: Peer
) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    pid = nginy.worker_pids()[0]
    first_limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
    # the client's leg gets the lowest free number, and the backend's leg none
    limit_descriptors(pid, free_numbers(pid, 2)[1])
    with connect(nginy.address()) as sock:
        sock.sendall(b"x")
        with contextlib.suppress(ConnectionError):
            assert sock.recv(1) == b""
    limit_descriptors(pid, first_limit)
    wait_until(lambda: nginy.reasons().get("no_descriptor", 0) >= 1, "counted as no descriptor")
    assert ask(nginy.address(), b"again") == b"again"


def test_source_ports_used_up_towards_one_backend_do_not_stop_another(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    """The range is narrowed in a network namespace of its own."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        pytest.skip("no right to make a network namespace")
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", NAMESPACE_SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr


NAMESPACE_SCRIPT = """
import subprocess, contextlib
from pathlib import Path
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40031")
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, echo
from tests.tools.sockets import connect, how_it_ends, recv_exact
from tests.tools.waiting import wait_until
with Peer(echo, port=30001) as peer:
    nginy = Nginy(tcp_config(["127.0.0.1:30001"], listener={"bind": "127.0.0.1:30002"}))
    try:
        nginy.start()
        with contextlib.ExitStack() as stack:
            refused = 0
            for number in range(40):
                try:
                    sock = stack.enter_context(connect("127.0.0.1:30002", source=f"127.0.1.{number + 1}"))
                    sock.sendall(b"x")
                    assert recv_exact(sock, 1) == b"x"
                except (AssertionError, ConnectionError):
                    refused += 1
            assert 0 < refused <= 12, refused
            assert nginy.reasons() == {"no_port": refused}, (nginy.reasons(), refused)
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "all ended")
        assert nginy.stop() == 0
    finally:
        nginy.clean_up()
"""


def test_many_stuck_connects_do_not_delay_a_working_listener(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    with FullBacklog() as hole:
        config = tcp_config(
            [hole.address], listener={"timeouts": {"connect": "10s"}, "limits": {"retries": 0}}
        )
        config["pools"]["good"] = {"backends": [start_peer(echo).address]}
        config["listeners"]["quick"] = {"bind": "127.0.0.1:0", "protocol": "tcp", "pool": "good"}
        nginy = start_nginy(config)
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(nginy.address("front"))) for _ in range(200)]
            for _ in range(20):
                assert ask(nginy.address("quick"), b"quick") == b"quick"
            for sock in socks:
                reset(sock)
        check_client_gone(nginy)


def check_client_gone(nginy: Nginy) -> None:
    """Clients that reset while their session connects are noticed long before the connect timeout."""
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 0, "their sessions ended", 5)
    assert nginy.reasons("front") == {"client_gone": 200}


def test_a_thousand_kept_sessions_hold_no_buffer_and_use_no_cpu(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    with EchoBackend() as peer:
        nginy = start_nginy(tcp_config([peer.address]))
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(nginy.address())) for _ in range(1000)]
            for sock in socks:
                sock.sendall(b"x")
                assert recv_exact(sock, 1) == b"x"
            counters = nginy.workers()[0]["counters"]
            assert (counters["live"], counters["buffers_used"]) == (1000, 0)
            pid = nginy.worker_pids()[0]
            before_s = cpu_s(pid)
            threading.Event().wait(1.0)
            assert cpu_s(pid) - before_s < 0.1


def test_an_accept_burst_is_served_completely(start_nginy: StartNginy) -> None:
    with EchoBackend() as peer:
        nginy = start_nginy(tcp_config([peer.address], workers=2))
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(nginy.address())) for _ in range(600)]
            for number, sock in enumerate(socks):
                sock.sendall(b"%03d" % number)
            for number, sock in enumerate(socks):
                assert recv_exact(sock, 3) == b"%03d" % number


HOLD_PIPES = """
import fcntl, os, sys
F_SETPIPE_SZ = 1031
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
held = []
try:
    while len(held) < 1000:
        held.append(os.pipe())
        fcntl.fcntl(held[-1][1], F_SETPIPE_SZ, 1 << 20)
except PermissionError:
    print("no more", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_pipes_that_the_kernel_refuses_are_counted_once_and_bulk_is_copied(
    start_nginy: StartNginy, backend: Peer
) -> None:
    """pipe-user-pages-soft of pipe(7): an unprivileged user gets no more pipes of full size."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD_PIPES], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"no more\n"
        nginy = start_nginy(tcp_config([backend.address], runtime={"user": "nobody"}))
        payload = bytes(32 << 20)
        assert len(ask_in_two_threads(nginy.address(), payload)) == len(payload)
        counters = nginy.workers()[0]["counters"]
        assert counters["spliced_bytes"] == counters["pipes_open"] == 0
        assert 1 <= counters["pipes_refused"] <= 30  # once a second, not once a read
        assert counters["live"] == counters["buffers_used"] == 0
    finally:
        holder.communicate()
    wait_until(lambda: len(ask_in_two_threads(nginy.address(), payload)) == len(payload), "it goes on")
    wait_until(lambda: bulk_is_spliced(nginy, payload), "splicing begins when there are pipes again")


def ask_in_two_threads(address: str, question: bytes) -> bytes:
    """As ask(), for more bytes than the buffers of an echo would hold."""
    with connect(address) as sock:
        sender = threading.Thread(target=lambda: (sock.sendall(question), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        answer, end = read_to_end(sock)
        sender.join()
        assert end == "eof"
        return answer


def bulk_is_spliced(nginy: Nginy, payload: bytes) -> bool:
    ask_in_two_threads(nginy.address(), payload)
    return bool(nginy.workers()[0]["counters"]["spliced_bytes"] > 0)
