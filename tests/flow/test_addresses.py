"""Where nginy listens and where it connects to: IPv4, IPv6, unix sockets, many binds, handed-over sockets."""

import os
import socket
import sys
from pathlib import Path

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.peers import echo, named
from tests.tools.sockets import ask, free_port
from tests.tools.waiting import wait_until


def test_ipv6_backends_and_binds(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peer = start_peer(echo, host="::1")
    nginy = start_nginy(tcp_config([peer.address], listener={"bind": "[::1]:0"}))
    assert nginy.address().startswith("[::1]:")
    assert ask(nginy.address(), b"six") == b"six"


def test_unix_socket_backends_and_binds(start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path) -> None:
    folder = Path(os.path.relpath(tmp_path, "/"))
    back, front = Path("/") / folder / "b.sock", Path("/") / folder / "f.sock"
    peer = start_peer(echo, path=back)
    nginy = start_nginy(tcp_config([peer.address], workers=2, listener={"bind": f"unix:{front}"}))
    for _ in range(10):
        assert ask(f"unix:{front}", b"local") == b"local"
    assert nginy.stop() == 0
    assert not front.exists()


def test_a_unix_socket_left_by_a_dead_nginy_is_replaced(
    start_nginy: StartNginy, start_peer: StartPeer, tmp_path: Path
) -> None:
    front = tmp_path / "f.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(front))
    start_nginy(tcp_config([start_peer(echo).address], listener={"bind": f"unix:{front}"}))
    assert ask(f"unix:{front}", b"again") == b"again"


def test_ipv4_clients_reach_ipv6_backends_and_the_other_way_round(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    four, six = start_peer(named("4")), start_peer(named("6"), host="::1")
    nginy = start_nginy(tcp_config([four.address, six.address], listener={"bind": ["127.0.0.1:0", "[::1]:0"]}))
    for nth in (0, 1):
        assert {ask(nginy.address(nth=nth), b"") for _ in range(4)} == {b"4\n", b"6\n"}


def test_one_listener_serves_many_binds(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(
        tcp_config([start_peer(echo).address], workers=2, listener={"bind": ["127.0.0.1:0", "127.0.0.2:0"]})
    )
    for nth in (0, 1):
        assert ask(nginy.address(nth=nth), b"x") == b"x"
    wait_until(lambda: nginy.reasons() == {"closed": 2}, "both counted on the one listener")


def test_a_wildcard_bind_serves_every_address(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(tcp_config([start_peer(echo).address], listener={"bind": ":0"}))
    port = nginy.address().rpartition(":")[2]
    for host in ("127.0.0.1", "127.0.0.9"):
        assert ask(f"{host}:{port}", b"any") == b"any"


def test_host_names_are_resolved_and_every_address_is_a_backend(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    peer = start_peer(echo)
    nginy = start_nginy(tcp_config([f"localhost:{peer.port}"]))
    assert ask(nginy.address(), b"by name") == b"by name"
    assert all("localhost" in row["address"] or "localhost" in str(row) for row in nginy.backends("back"))


def test_several_listeners_and_pools_do_not_mix(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    a, b = start_peer(named("a")), start_peer(named("b"))
    config = tcp_config([a.address], workers=2)
    config["pools"]["other"] = {"backends": [b.address]}
    config["listeners"]["second"] = {"bind": "127.0.0.1:0", "protocol": "tcp", "pool": "other"}
    nginy = start_nginy(config)
    for _ in range(5):
        assert ask(nginy.address("front"), b"") == b"a\n"
        assert ask(nginy.address("second"), b"") == b"b\n"
    wait_until(lambda: nginy.reasons("front") == nginy.reasons("second") == {"closed": 5}, "counted apart")


def test_sockets_of_socket_activation_are_served(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    """LISTEN_FDS: a queue that filled before the start is served after it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        early = socket.create_connection(listening.getsockname())
        early.settimeout(15)
        start_with = (
            "import os, sys; fd = int(sys.argv[1]); os.dup2(fd, 3, inheritable=True); "
            "os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='web', LISTEN_PID=str(os.getpid())); "
            "os.execvp(sys.argv[2], sys.argv[2:])"
        )
        os.set_inheritable(listening.fileno(), True)
        nginy = start_nginy(
            tcp_config([start_peer(echo).address], workers=2, listener={"bind": "systemd:web"}),
            before=[sys.executable, "-c", start_with, str(listening.fileno())],
            pass_fds=[listening.fileno()],
        )
        nginy.is_same_at_end = False  # the early session was there before anybody looked
        with early:
            early.sendall(b"early bird")
            early.shutdown(socket.SHUT_WR)
            assert early.recv(100) == b"early bird"
        assert ask(address, b"later") == b"later"
        assert nginy.listener("front")["sessions"] == 2


def test_an_activation_name_that_was_not_passed_is_refused(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    config = tcp_config([start_peer(echo).address], listener={"bind": "systemd:absent"})
    nginy = start_nginy(config, wait=False)
    assert nginy.wait_exit() == 2
    assert "absent" in nginy.log()


def test_the_kernel_picked_port_survives_a_reload(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    a, b = start_peer(named("a")), start_peer(named("b"))
    nginy = start_nginy(tcp_config([a.address]))
    address = nginy.address()
    nginy.reload(tcp_config([b.address]))
    assert nginy.address() == address
    assert ask(address, b"") == b"b\n"


def test_a_fixed_port_can_be_bound_again_at_once_after_a_stop(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    port = free_port()
    config = tcp_config([start_peer(echo).address], workers=2, listener={"bind": f"127.0.0.1:{port}"})
    for _ in range(2):
        nginy = start_nginy(config)
        assert ask(f"127.0.0.1:{port}", b"x") == b"x"
        assert nginy.stop() == 0
