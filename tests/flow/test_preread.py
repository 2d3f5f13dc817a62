"""The first bytes are waited for, looked at, and reach the backend unchanged."""

import random
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.hellos import PADDING, extension, hello, message, names_extension, real_hello, records
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, named, resetting, silent
from tests.tools.sockets import (
    TIMEOUT_S,
    ask,
    closing_all,
    connect,
    end_of,
    free_port,
    how_it_ends,
    read_to_end,
    recv_exact,
    reset,
    sha256,
)  # fmt: skip
from tests.tools.waiting import wait_until

HELLO = hello(b"app.example.org")
BIG = records(message(names_extension(b"app.example.org") + extension(PADDING, bytes(9000))), 4000)
NO_HELLO = b"SSH-2.0-OpenSSH_9.2p1\r\n"


def config(backend: Peer, until: Any, timeout: str = "10s", **parts: Any) -> dict[str, Any]:
    """One echo backend behind a preread."""
    listener = {"preread": {"until": until, "timeout": timeout}, **parts.pop("listener", {})}
    return tcp_config([backend.address], listener=listener, **parts)


REAL = real_hello("a.example.org")


@pytest.mark.parametrize("first", [HELLO, BIG, NO_HELLO, REAL], ids=["small", "big", "none", "real"])
def test_a_hello_and_what_follows_reach_the_backend_unchanged(
    start_nginy: StartNginy, backend: Peer, first: bytes
) -> None:
    nginy = start_nginy(config(backend, "tls_hello"))
    rest = random.Random(7).randbytes(300_000)
    assert sha256(ask(nginy.address(), first + rest)) == sha256(first + rest)
    with connect(nginy.address()) as sock:
        sock.sendall(first)
        assert recv_exact(sock, len(first)) == first
        sock.sendall(b"and more")
        assert recv_exact(sock, 8) == b"and more"


def test_no_backend_is_asked_before_the_hello_is_whole(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, "tls_hello"))
    with connect(nginy.address()) as sock:
        for at in range(len(HELLO) - 1):
            sock.sendall(HELLO[at : at + 1])
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 1, "the session is there")
        ask(nginy.address(), HELLO)  # a session later, so that the bytes above have been looked at
        assert backend.accepted == 1
        sock.sendall(HELLO[-1:] + b"!")
        assert recv_exact(sock, len(HELLO) + 1) == HELLO + b"!"
        assert backend.accepted == 2


def test_a_hello_of_the_greatest_size_may_come_byte_by_byte(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, "tls_hello"))
    head = len(message(names_extension(b"a.org") + extension(PADDING, b"")))
    full = records(message(names_extension(b"a.org") + extension(PADDING, bytes(16384 - head))))
    with connect(nginy.address()) as sock:
        for at in range(len(full)):
            sock.sendall(full[at : at + 1])
        assert recv_exact(sock, len(full)) == full


def test_so_many_bytes_are_waited_for_and_not_more(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, 16))
    with connect(nginy.address()) as sock:
        sock.sendall(b"0123456789abcde")
        assert ask(nginy.address(), b"sixteen bytes or more") == b"sixteen bytes or more"
        assert backend.accepted == 1
        sock.sendall(b"f")
        assert recv_exact(sock, 16) == b"0123456789abcdef"


@pytest.mark.parametrize("until", [16, "tls_hello"])
def test_a_client_that_has_finished_goes_on_with_what_there_is(
    start_nginy: StartNginy, backend: Peer, until: Any
) -> None:
    nginy = start_nginy(config(backend, until))
    assert ask(nginy.address(), HELLO[:9]) == HELLO[:9]
    wait_until(lambda: nginy.reasons() == {"closed": 1}, "a clean end")


def test_a_client_that_finishes_without_a_byte(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, 16))
    assert ask(nginy.address(), b"") == b""
    assert backend.accepted == 1
    nginy = start_nginy(config(backend, "tls_hello"))
    connect(nginy.address()).close()
    wait_until(lambda: nginy.reasons() == {"client_gone": 1}, "counted, and no backend was asked")
    assert backend.accepted == 1


@pytest.mark.parametrize("until", [16, "tls_hello"])
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
def test_a_client_that_says_too_little_is_reset_in_time_and_counted(
    start_nginy: StartNginy, backend: Peer, until: Any, said: bytes
) -> None:
    nginy = start_nginy(config(backend, until, timeout="300ms"))
    began_s = time.monotonic()
    with connect(nginy.address()) as sock:
        sock.sendall(said)
        assert how_it_ends(sock) == "reset"
    assert 0.28 < time.monotonic() - began_s < 2
    assert nginy.reasons() == {"preread_timeout": 1}
    assert backend.accepted == 0


@pytest.mark.parametrize("until", [16, "tls_hello"])
def test_a_client_that_resets_before_it_has_said_enough_is_counted(
    start_nginy: StartNginy, backend: Peer, until: Any
) -> None:
    nginy = start_nginy(config(backend, until))
    sock = connect(nginy.address())
    sock.sendall(b"\x16\x03")
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 1, "the session is there")
    reset(sock)
    wait_until(lambda: nginy.reasons() == {"client_gone": 1}, "counted as a client that left")
    assert backend.accepted == 0


def test_urgent_bytes_end_the_look(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, 16))
    with connect(nginy.address()) as sock:
        sock.sendall(b"abc")
        sock.send(b"!", socket.MSG_OOB)
        assert recv_exact(sock, 3) == b"abc"


def test_the_bytes_are_kept_until_a_backend_took_them(start_nginy: StartNginy, backend: Peer) -> None:
    """Refused twice, then served."""
    tree = config(backend, "tls_hello", listener={"limits": {"retries": 2}}, pool={"policy": "round_robin"})
    tree["pools"]["back"]["backends"] = [
        f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}", {"address": backend.address, "tier": 1},
    ]  # fmt: skip
    nginy = start_nginy(tree)
    assert ask(nginy.address(), HELLO + b"x") == HELLO + b"x"


def test_a_backend_that_resets_after_the_hello_ends_the_session_as_without_a_preread(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    nginy = start_nginy(config(start_peer(resetting(len(HELLO))), "tls_hello"))
    with connect(nginy.address()) as sock:
        sock.sendall(HELLO)
        assert how_it_ends(sock) == "reset"
    wait_until(lambda: nginy.reasons() == {"back_reset": 1}, "counted")


@pytest.mark.parametrize(
    ("listener", "pool"),
    [
        ({"tcp": {"defer_accept": "2s"}}, {}),
        ({"tcp": {"fastopen": 16}}, {"tcp": {"fastopen": "on"}}),
        ({"half_close": "off"}, {}),
        ({"splice": "off", "keepalive": "off"}, {"tcp": {"quickack": "on"}}),
    ],
    ids=["deferred", "fastopen", "no half-close", "copied"],
)
@pytest.mark.parametrize("spin", ["on", "off"])
def test_a_preread_goes_with_every_option(
    start_nginy: StartNginy, backend: Peer, listener: dict[str, Any], pool: dict[str, Any], spin: str
) -> None:
    nginy = start_nginy(config(backend, "tls_hello", listener=listener, pool=pool, runtime={"spin": spin}))
    for _ in range(5):
        with connect(nginy.address()) as sock:
            sock.sendall(BIG[:5000])
            sock.sendall(BIG[5000:] + b"x" * 100_000)
            assert recv_exact(sock, len(BIG) + 100_000) == BIG + b"x" * 100_000
    wait_until(lambda: nginy.reasons() == {"closed": 5}, "clean ends")


def test_a_preread_on_a_unix_socket(start_nginy: StartNginy, backend: Peer, tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/in"
    nginy = start_nginy(config(backend, "tls_hello", timeout="300ms", listener={"bind": path}))
    assert ask(path, BIG) == BIG
    with connect(path) as sock:
        sock.sendall(HELLO[:10])
        assert read_to_end(sock)[0] == b""  # a unix socket knows no reset
    wait_until(lambda: nginy.reasons() == {"closed": 1, "preread_timeout": 1}, "counted")


def test_silent_clients_hold_sessions_within_the_bound_and_leave_the_others_alone(
    start_nginy: StartNginy, backend: Peer
) -> None:
    tree = config(backend, "tls_hello", timeout="1500ms", listener={"limits": {"sessions": 40}})
    tree |= {"admin": {"http": {"bind": "127.0.0.1:0"}}, "runtime": tree["runtime"] | {"sessions": 64}}
    tree["listeners"]["other"] = {"bind": "127.0.0.1:0", "pool": "back"}
    nginy = start_nginy(tree)
    with closing_all([]) as socks:
        for _ in range(40):
            socks.append(connect(nginy.address()))
            socks[-1].sendall(HELLO[:20])
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 40, "all are waited for")
        assert nginy.metric("nginy_worker_buffers_used") == 0
        assert end_of(nginy.address()) == "reset"
        assert ask(nginy.address("other"), b"as ever") == b"as ever"
        assert [how_it_ends(sock) for sock in socks] == ["reset"] * 40
    assert nginy.reasons() == {"session_limit": 1, "preread_timeout": 40}
    assert ask(nginy.address(), HELLO) == HELLO


def in_preread(nginy: Nginy) -> socket.socket:
    """A client that has said half of its hello."""
    sock = connect(nginy.address())
    sock.sendall(HELLO[:20])
    wait_until(lambda: nginy.listener("front")["sessions_live"] == 1, "the session is there")
    return sock


def test_a_session_in_its_preread_outlives_a_reload_of_its_pool(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    first, second = start_peer(named("a")), start_peer(named("b"))
    nginy = start_nginy(config(first, "tls_hello"))
    with in_preread(nginy) as sock:
        nginy.reload(config(second, "tls_hello"))
        sock.sendall(HELLO[20:])
        assert recv_exact(sock, 2 + len(HELLO)) == b"b\n" + HELLO


def test_a_session_in_its_preread_outlives_its_listener(start_nginy: StartNginy, backend: Peer) -> None:
    tree = config(backend, "tls_hello")
    nginy = start_nginy(tree)
    with in_preread(nginy) as sock:
        nginy.reload(tree | {"listeners": {"other": {"bind": "127.0.0.1:0", "pool": "back"}}})
        sock.sendall(HELLO[20:])
        assert recv_exact(sock, len(HELLO)) == HELLO


def test_a_preread_may_end_during_a_drain_and_is_cut_at_its_deadline(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(config(backend, "tls_hello", runtime={"drain": "500ms"}), checked=False)
    with in_preread(nginy) as sock, connect(nginy.address()) as other:
        other.sendall(HELLO[:20])
        wait_until(lambda: nginy.listener("front")["sessions_live"] == 2, "both are there")
        nginy.running.terminate()
        sock.sendall(HELLO[20:])
        assert recv_exact(sock, len(HELLO)) == HELLO
        sock.shutdown(socket.SHUT_WR)
        assert how_it_ends(sock) == "eof"
        assert how_it_ends(other) == "reset"
    assert nginy.wait_exit() == 0


def test_a_connect_that_fails_after_a_preread_is_counted_as_ever(start_nginy: StartNginy) -> None:
    tree = tcp_config([f"127.0.0.1:{free_port()}"], listener={"preread": 4, "limits": {"retries": 0}})
    nginy = start_nginy(tree)
    with connect(nginy.address()) as sock:
        sock.sendall(b"1234")
        assert how_it_ends(sock) == "reset"
    assert nginy.reasons() == {"connect_failed": 1}


def test_timeouts_after_the_preread_are_those_of_the_session(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(
        config(start_peer(silent), "tls_hello", timeout="10s", listener={"timeouts": {"idle": "300ms"}}))
    began_s = time.monotonic()
    with connect(nginy.address()) as sock:
        sock.sendall(HELLO)
        assert how_it_ends(sock) == "reset"
    assert time.monotonic() - began_s < TIMEOUT_S / 3
    assert nginy.reasons() == {"idle": 1}


@pytest.mark.parametrize(
    ("preread", "key", "said"),
    [
        ("tls_hello", "sni", lambda token: hello(token + b".example.org")),
        (12, {"kind": "bytes", "offset": 4, "length": 8}, lambda token: b"GET " + token + b" and so on"),
        ("tls_hello", {"kind": "bytes", "offset": 61, "length": 8}, lambda token: hello(token + b".example.org")),
    ],
    ids=["server name", "bytes", "bytes of a hello"],
)
@pytest.mark.parametrize("policy", ["ring", "rendezvous"])
def test_a_key_of_what_is_read_first_keeps_its_backend(
    start_nginy: StartNginy, start_peer: StartPeer, preread: Any, key: Any, said: Any, policy: str
) -> None:
    peers = [start_peer(named(name)) for name in "abcd"]
    tree = tcp_config(
        [peer.address for peer in peers], workers=2, listener={"preread": preread},
        pool={"policy": {"kind": policy, "key": key}},
    )  # fmt: skip
    nginy = start_nginy(tree)
    tokens = [f"{i:08x}".encode() for i in range(16)]
    first = [ask(nginy.address(), said(token))[:1] for token in tokens]
    assert len(set(first)) > 1, first
    for _ in range(2):
        assert [ask(nginy.address(), said(token))[:1] for token in tokens] == first


def test_a_retry_goes_by_the_same_key(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    """The name is looked at anew: the next backend of each name is always the same one."""
    peers = [start_peer(named(name)) for name in "abc"]
    backends = [*(peer.address for peer in peers), f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]
    tree = tcp_config(
        backends, listener={"preread": "tls_hello", "limits": {"retries": 4}},
        pool={"policy": {"kind": "ring", "key": "sni"}},
    )  # fmt: skip
    nginy = start_nginy(tree)
    hellos = [hello(f"{i}.example.org".encode()) for i in range(24)]
    first = [ask(nginy.address(), one)[:1] for one in hellos]
    assert first == [ask(nginy.address(), one)[:1] for one in hellos]
    assert sum(row["attempts"].get("refused", 0) for row in nginy.backends("back")) > 0
