"""Every session is counted once, at every instant: accepted = live + the sum of reasons."""

import random
import threading

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import tcp_config
from tests.tools.leaks import unbalanced
from tests.tools.peers import Peer, echo, resetting
from tests.tools.sockets import ask, connect, end_of, free_port, how_it_ends, recv_exact, reset
from tests.tools.traffic import EchoBackend, Traffic
from tests.tools.waiting import wait_until

LOOKS = 300


def test_the_sum_holds_at_every_look_while_sessions_come_and_go(start_nginy: StartNginy, seed: int) -> None:
    with EchoBackend() as peer:
        nginy = start_nginy(tcp_config([peer.address], workers=2))
        with Traffic(seed) as traffic:
            traffic.lasting(nginy.address(), 20)
            traffic.short(nginy.address(), at_once=16, pause_s=0.001)
            wait_until(lambda: traffic.tally.done > 100, "sessions flow")
            for _ in range(LOOKS):
                assert not unbalanced(nginy.status())
            tally = traffic.stop()
        assert not tally.failures(), tally.failures()[:5]
        wait_until(lambda: nginy.reasons() == {"closed": tally.done + 20}, "each one counted")


def test_a_mix_of_endings_adds_up(start_nginy: StartNginy, start_peer: StartPeer, seed: int) -> None:
    """Clean ends, resets by either side, refusals: by the clients' own count."""
    chance = random.Random(seed)
    good, bad = start_peer(echo), start_peer(resetting(1))
    config = tcp_config([good.address])
    config["pools"]["bad"] = {"backends": [bad.address]}
    config["pools"]["none"] = {"backends": [f"127.0.0.1:{free_port()}"]}
    for name in ("bad", "none"):
        config["listeners"][name] = {"bind": "127.0.0.1:0", "protocol": "tcp", "pool": name}
    nginy = start_nginy(config)
    address = {name: nginy.address(name) for name in ("front", "bad", "none")}
    done = dict.fromkeys(("closed", "front_reset", "back_reset", "connect_failed"), 0)
    for _ in range(200):
        kind = chance.choice(list(done))
        done[kind] += 1
        if kind == "closed":
            assert ask(address["front"], b"x") == b"x"
        elif kind == "front_reset":
            sock = connect(address["front"])
            sock.sendall(b"x")
            assert recv_exact(sock, 1) == b"x"
            reset(sock)
        elif kind == "back_reset":
            with connect(address["bad"]) as sock:
                sock.sendall(b"x")
                assert how_it_ends(sock) == "reset"
        else:
            assert end_of(address["none"]) == "reset"

    def counted() -> dict[str, int]:
        rows = nginy.status()["listeners"]
        return {kind: sum(row["ends"].get(kind, 0) for row in rows) for kind in done}

    # a pool whose only backend refuses is under suspicion: the refusal may come without an attempt
    wait_until(lambda: sum(counted().values()) + sum_of(nginy, "no_backend") == 200, "all are counted")
    found = counted()
    found["connect_failed"] += sum_of(nginy, "no_backend")
    assert found == done


def sum_of(nginy, reason: str) -> int:
    """Over all listeners."""
    return sum(row["ends"].get(reason, 0) for row in nginy.status()["listeners"])


def test_bytes_of_the_listener_and_of_its_backends_agree(
    start_nginy: StartNginy, start_peer: StartPeer, seed: int
) -> None:
    chance = random.Random(seed)
    peers = [start_peer(echo) for _ in range(3)]
    nginy = start_nginy(tcp_config([peer.address for peer in peers], workers=2))
    sizes = [chance.randint(0, 100_000) for _ in range(60)]
    for size in sizes:
        ask(nginy.address(), bytes(size))
    wait_until(lambda: nginy.reasons() == {"closed": 60}, "all have ended")
    row, backends = nginy.listener("front"), nginy.backends("back")
    assert row["bytes_in"] == row["bytes_out"] == sum(sizes)
    for key in ("bytes_in", "bytes_out"):
        assert sum(backend[key] for backend in backends) == sum(sizes)
    assert sum(backend["sessions"] for backend in backends) == 60


def test_both_workers_take_a_fair_share(start_nginy: StartNginy) -> None:
    with EchoBackend() as peer:
        nginy = start_nginy(tcp_config([peer.address], workers=2))
        address = nginy.address()

        def many() -> None:
            for _ in range(250):
                ask(address, b"x")

        threads = [threading.Thread(target=many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: nginy.reasons() == {"closed": 1000}, "all have ended")
        shares = [row["counters"]["accepted"] for row in nginy.workers()]
        assert sum(shares) == 1000
        assert min(shares) > 350, shares


def test_a_reader_of_the_status_never_slows_traffic_down_to_a_stop(start_nginy: StartNginy, backend: Peer) -> None:
    nginy = start_nginy(tcp_config([backend.address]))
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            nginy.status()

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(200):
            assert ask(nginy.address(), b"x") == b"x"
    finally:
        is_over.set()
        for reader in readers:
            reader.join()
