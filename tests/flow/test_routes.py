"""Server names choose pools, in front of real TLS servers that nginy has no certificate of."""

import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.hellos import hello
from tests.tools.nginy_process import Tree
from tests.tools.peers import Peer, named
from tests.tools.sockets import ask, connect, free_port, how_it_ends, recv_exact
from tests.tools.tls import certificate, tls_connect, tls_named, who_serves
from tests.tools.waiting import wait_until

TCP_CHECK = {"kind": "tcp", "interval": "100ms", "rise": 1, "fall": 1}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for all servers."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def servers(start_peer: StartPeer, pair: tuple[Path, Path]) -> list[Peer]:
    """Three TLS servers: a, b, c."""
    return [start_peer(tls_named(name, pair, ("h2", "http/1.1"))) for name in "abc"]


def site(servers: Sequence[Peer], routes: list[Any], **parts: Any) -> Tree:
    """A pool for each server, by its letter."""
    pools = {name: {"backends": [server.address]} for name, server in zip("abcdef", servers, strict=False)}
    front = {"bind": "127.0.0.1:0", "preread": "tls_hello", "routes": routes, **parts.pop("listener", {})}
    tree = tcp_config([servers[0].address], **parts)
    return tree | {"pools": pools | parts.get("pools", {}), "listeners": {"front": front}}


ROUTES = [{"sni": "app.example.org", "pool": "a"}, {"sni": "*.example.org", "pool": "b"}, {"pool": "c"}]


@pytest.mark.parametrize("workers", [1, 2])
def test_names_choose_their_servers(start_nginy: StartNginy, servers: list[Peer], workers: int) -> None:
    nginy = start_nginy(site(servers, ROUTES, workers=workers))
    for _ in range(4):
        assert who_serves(nginy.address(), "app.example.org") == "a app.example.org -"
        assert who_serves(nginy.address(), "APP.example.ORG", ("h2",)) == "a APP.example.ORG h2"
        assert who_serves(nginy.address(), "www.example.org", ("http/1.1",)) == "b www.example.org http/1.1"
        assert who_serves(nginy.address(), "a.b.example.org") == "b a.b.example.org -"
        assert who_serves(nginy.address(), "example.org") == "c example.org -"
        assert who_serves(nginy.address(), None) == "c - -"
    # a client of TLS that leaves may leave bytes of the server unread, and then its end is a reset
    wait_until(lambda: sum(nginy.reasons().values()) == 24, "all have ended")
    assert nginy.reasons().keys() <= {"closed", "front_reset"}
    assert [nginy.backends(name)[0]["sessions"] for name in "abc"] == [8, 8, 8]
    assert nginy.listener("front")["pools"] == ["a", "b", "c"]
    assert nginy.listener("front")["pool"] == "c"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_and_openssl_are_understood(start_nginy: StartNginy, servers: list[Peer]) -> None:
    nginy = start_nginy(site(servers, ROUTES))
    host, _, port = nginy.address().rpartition(":")
    told = ["--connect-to", f"app.example.org:443:{host}:{port}", "https://app.example.org/"]
    curl = ["curl", "-sk", "--http0.9", "--max-time", "5", "--no-alpn", *told]
    assert subprocess.run(curl, capture_output=True, timeout=20).stdout.startswith(b"a app.example.org")
    for more in ("-tls1_2", "-tls1_3"):
        client = ["openssl", "s_client", "-quiet", "-connect", nginy.address(), "-servername", "x.example.org", more]
        with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
            assert run.stdout is not None
            assert run.stdout.readline().startswith(b"b x.example.org")
            run.kill()


def test_what_is_no_tls_goes_where_the_rest_goes(
    start_nginy: StartNginy, servers: list[Peer], start_peer: StartPeer
) -> None:
    plain = start_peer(named("plain"))
    nginy = start_nginy(site([*servers[:2], plain], ROUTES))
    assert ask(nginy.address(), b"SSH-2.0-x\r\n") == b"plain\nSSH-2.0-x\r\n"
    assert ask(nginy.address(), hello(b"bad..name")) == b"plain\n" + hello(b"bad..name")


def test_a_name_without_a_route_is_reset_and_counted_and_reaches_nobody(
    start_nginy: StartNginy, servers: list[Peer]
) -> None:
    nginy = start_nginy(site(servers, ROUTES[:2]))
    for said in (hello(b"other.org"), hello(), b"GET / HTTP/1.0\r\n\r\n"):
        with connect(nginy.address()) as sock:
            sock.sendall(said)
            assert how_it_ends(sock) == "reset"
    assert nginy.reasons() == {"no_route": 3}
    assert [server.accepted for server in servers] == [0, 0, 0]
    assert nginy.listener("front")["pool"] == ""


def test_nobody_usable_never_means_another_site(start_nginy: StartNginy, servers: list[Peer]) -> None:
    tree = site(servers, ROUTES)
    tree["pools"]["a"] = {"backends": [f"127.0.0.1:{free_port()}"], "health": TCP_CHECK}
    nginy = start_nginy(tree)
    wait_until(lambda: nginy.backends("a")[0]["verdict"] == "down", "a is down")
    with connect(nginy.address()) as sock:
        sock.sendall(hello(b"app.example.org"))
        assert how_it_ends(sock) == "reset"
    ends = nginy.reasons()
    assert ends in ({"no_backend": 1}, {"connect_failed": 1})
    assert [server.accepted for server in servers[1:]] == [0, 0]
    assert who_serves(nginy.address(), "x.example.org") == "b x.example.org -"


def test_a_reload_moves_new_sessions_and_leaves_the_others(start_nginy: StartNginy, servers: list[Peer]) -> None:
    nginy = start_nginy(site(servers, ROUTES))
    with tls_connect(nginy.address(), "app.example.org") as sock:
        assert recv_exact(sock, 2) == b"a "
        nginy.reload(site(servers, [{"sni": "app.example.org", "pool": "b"}, {"pool": "a"}]))
        assert who_serves(nginy.address(), "app.example.org") == "b app.example.org -"
        assert who_serves(nginy.address(), "www.example.org") == "a www.example.org -"
        recv_exact(sock, len("app.example.org -\n"))
        sock.sendall(b"still a")
        assert recv_exact(sock, 7) == b"still a"


def test_the_access_log_names_the_pool_that_the_name_chose(start_nginy: StartNginy, servers: list[Peer]) -> None:
    tree = site(servers, ROUTES)
    nginy = start_nginy(tree | {"runtime": tree["runtime"] | {"access_log": {"output": "access", "format": "logfmt"}}})
    who_serves(nginy.address(), "x.example.org")
    log = nginy.folder / "access"
    wait_until(lambda: log.exists() and "reason=" in log.read_text(), "a line")
    assert "pool=b" in log.read_text()


def test_a_handshake_in_pieces_of_three_bytes_meets_its_server(start_nginy: StartNginy, servers: list[Peer]) -> None:
    nginy = start_nginy(site(servers, ROUTES))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="app.example.org")
    with connect(nginy.address()) as sock:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                while piece := outgoing.read(3):
                    sock.sendall(piece)
                incoming.write(sock.recv(65536))
        for piece in iter(lambda: outgoing.read(3), b""):
            sock.sendall(piece)
        said = b""
        while not said:  # tickets may come before
            incoming.write(sock.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                said = client.read(2)
        assert said == b"a "


def test_65536_names_route(start_nginy: StartNginy, servers: list[Peer]) -> None:
    names = [f"{i:x}.o" for i in range(65536)]
    routes = [{"sni": names[:40000], "pool": "a"}, {"sni": names[40000:], "pool": "b"}, {"pool": "c"}]
    nginy = start_nginy(site(servers, routes))
    assert who_serves(nginy.address(), names[39999]) == f"a {names[39999]} -"
    assert who_serves(nginy.address(), names[40000]) == f"b {names[40000]} -"
    assert who_serves(nginy.address(), "g.o") == "c g.o -"
