"""How many system calls a session takes; and whether they would be seen."""

import argparse
from typing import Any

import pytest

from tests.guard import strace, syscalls
from tests.guard.exchange import FIRST_FREE_PORT, first_source_port

MOST = 15
BEFORE = {3: strace.CONTROL, 4: strace.CONTROL, 5: strace.CONTROL, 6: strace.PIPE}
SESSION = """\
77 epoll_wait(4, [{events=EPOLLIN, data=0x1}], 512, 1000) = 1
77 accept4(5, {sa_family=AF_INET, sin_port=htons(40000), sin_addr=inet_addr("127.0.0.1")}, [128 => 16], SOCK_CLOEXEC) = 9
77 epoll_ctl(4, EPOLL_CTL_ADD, 9, {events=EPOLLIN|EPOLLET, data=0x2}) = 0
77 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = 10
77 setsockopt(10, SOL_TCP, TCP_NODELAY, [1], 4) = 0
77 connect(10, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 EINPROGRESS (Operation now in progress)
77 accept4(5, 0x7ffd, [128], SOCK_CLOEXEC) = -1 EAGAIN (Resource temporarily unavailable)
77 epoll_wait(4, [{events=EPOLLOUT, data=0x3}], 512, 1000) = 1
77 recvmsg(3, {msg_name=NULL}, MSG_DONTWAIT) = 24
77 madvise(0x7f0000000000, 4096, MADV_DONTNEED) = 0
77 splice(9, NULL, 6, NULL, 65536, SPLICE_F_MOVE) = 64
77 write(6, "", 1) = 1
77 shutdown(10, SHUT_WR) = 0
77 close(9) = 0
77 close(10) = 0
"""  # noqa: E501
SEEN = [
    ("accept4", "listener", ""),
    ("epoll_ctl ADD", "front", ""),
    ("socket", "back", ""),
    ("setsockopt TCP_NODELAY", "back", ""),
    ("connect", "back", "EINPROGRESS"),
    ("accept4", "listener", "EAGAIN"),
    ("madvise", "-", ""),
    ("splice", "front", ""),
    ("write", "pipe", ""),
    ("shutdown SHUT_WR", "back", ""),
    ("close", "front", ""),
    ("close", "back", ""),
]


@pytest.mark.parametrize("switch", [True, False], ids=["half_close", "no_half_close"])
def test_a_session_takes_few_system_calls(switch: bool) -> None:
    sessions = syscalls.record(listener={"half_close": switch})
    assert len(sessions) == syscalls.SESSIONS
    usual, _ = strace.typical(sessions)     # a busy machine's client comes late to one or another
    n_usual, n_mean = strace.per_session([usual]), strace.per_session(sessions)
    assert n_usual <= MOST and n_mean <= MOST + 0.2, "\n".join(syscalls.report(sessions))


def test_a_call_more_is_seen() -> None:
    """Two more where the backend's port may be a source port too: the worker asks whether it has met itself."""
    if first_source_port() <= FIRST_FREE_PORT:
        pytest.skip("every port may be a source port here (ip_local_port_range)")
    usual, more = (syscalls.record(20, is_source_port=is_source) for is_source in (False, True))
    assert strace.per_session(more) == pytest.approx(strace.per_session(usual) + 2, abs=0.5)


def test_calls_are_told_with_the_socket_that_they_are_about() -> None:
    (session,) = strace.read(SESSION.splitlines(), BEFORE)
    assert [(c.name, c.socket, c.error) for c in session if not c.is_wait] == SEEN
    assert strace.per_session([session]) == len(SEEN)


def test_calls_on_controls_descriptors_are_no_sessions() -> None:
    (session,) = strace.read(SESSION.splitlines(), BEFORE)
    assert not any(call.name == "recvmsg" for call in session)


def test_each_accepted_client_begins_a_session() -> None:
    sessions = strace.read((SESSION * 3).splitlines(), BEFORE)
    assert [sum(call.is_wait for call in session) for session in sessions] == [2, 2, 1]
    assert strace.means(sessions)["accept4", "listener"] == 2


def test_the_typical_session_is_the_most_frequent_one() -> None:
    short = [strace.Call("close", "front")]
    usual = [strace.Call("close", "front"), strace.Call("close", "back")]
    assert strace.typical([usual, short, usual]) == (usual, 2)


def test_no_session_is_an_error() -> None:
    with pytest.raises(ValueError, match="no session"):
        strace.per_session([])


def test_a_pipe_that_was_there_before_serves_sessions() -> None:
    assert strace.kinds_of({3: "socket:[1]", 6: "pipe:[2]"}) == {3: strace.CONTROL, 6: strace.PIPE}


@pytest.mark.parametrize(
    ("text", "found"), [("half_close: off", {"half_close": False}), ("tcp: {quick: 1s}", {"tcp": {"quick": "1s"}})]
)
def test_options_are_yaml(text: str, found: dict[str, Any]) -> None:
    assert syscalls.mapping(text) == found


@pytest.mark.parametrize("text", ["half_close", "[1", "", "- a"])
def test_an_option_that_is_no_mapping_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no"):
        syscalls.mapping(text)
