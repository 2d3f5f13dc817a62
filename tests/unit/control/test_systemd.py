"""systemd: what it is told, over a real datagram socket, and what it passes."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nginy.control.systemd import FIRST_FD, Notifier, clean_environment, listen_fds


@pytest.fixture
def service_socket(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


def told(sock: socket.socket) -> list[str]:
    return sock.recv(4096).decode().splitlines()


def test_each_state_has_its_words(service_socket: socket.socket) -> None:
    notifier = Notifier(service_socket.getsockname())
    notifier.ready("serving")
    assert told(service_socket) == ["READY=1", "STATUS=serving"]
    notifier.stopping("draining")
    assert told(service_socket) == ["STOPPING=1", "STATUS=draining"]
    notifier.watchdog()
    assert told(service_socket) == ["WATCHDOG=1"]


def test_reloading_carries_the_monotonic_clock(service_socket: socket.socket) -> None:
    before_usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier(service_socket.getsockname()).reloading()
    first, second = told(service_socket)
    assert first == "RELOADING=1"
    name, _, usec = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before_usec <= int(usec) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_abstract_addresses_work() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0nginy-test-{os.getpid()}")
        sock.settimeout(5)
        Notifier(f"@nginy-test-{os.getpid()}").ready("x")
        assert told(sock)[0] == "READY=1"


def test_without_systemd_or_with_a_dead_one_nothing_happens(tmp_path: Path) -> None:
    Notifier(None).ready("x")
    Notifier(str(tmp_path / "nobody")).ready("x")


def test_watchdog_is_ours_only_when_the_pid_says_so() -> None:
    env = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"}
    assert Notifier.from_environment(env, 7).watchdog_s == 2.0
    assert Notifier.from_environment(env, 8).watchdog_s == 0.0
    assert Notifier.from_environment({"WATCHDOG_USEC": "2000000"}, 7).watchdog_s == 0.0


def test_descriptors_of_activation_are_taken_by_name_once_and_closed_on_exec() -> None:
    # in a child, because the numbers are fixed
    child = os.fork()
    if child == 0:
        try:
            with socket.create_server(("127.0.0.1", 0)) as a, socket.create_server(("127.0.0.1", 0)) as b:
                os.dup2(a.fileno(), 203)
                os.dup2(b.fileno(), 204)
            os.dup2(203, FIRST_FD)
            os.dup2(204, FIRST_FD + 1)
            env = {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:api", "LISTEN_PID": "5", "OTHER": "x"}
            assert listen_fds(env, 5) == {"web": [3], "api": [4]}
            assert env == {"OTHER": "x"}
            assert not os.get_inheritable(3)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_descriptors_meant_for_another_are_not_taken() -> None:
    assert listen_fds({"LISTEN_FDS": "1", "LISTEN_PID": "5"}, 6) == {}
    assert listen_fds({}, 6) == {}


def test_workers_do_not_inherit_what_is_meant_for_control() -> None:
    env = {"NOTIFY_SOCKET": "/x", "LISTEN_FDS": "1", "WATCHDOG_USEC": "1", "PATH": "/bin"}
    assert clean_environment(env) == {"PATH": "/bin"}
