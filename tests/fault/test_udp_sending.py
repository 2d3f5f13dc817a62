"""The kernel takes no more: what cannot be sent is tried once again, then dropped and counted, and order is kept."""

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.datagrams import address_of, all_waiting, client_of, clients_of, datagram_socket
from tests.tools.injected import failing, held
from tests.tools.waiting import wait_until

FLOWS = 8
ANSWERS = 3
DROPS = {"EAGAIN": "send_full", "ENOBUFS": "send_nobufs"}


@pytest.mark.root
@pytest.mark.parametrize(
    ("error", "when"),
    [("EAGAIN", "1"), ("ENOBUFS", "1..2"), ("EAGAIN", "1..1000")],
    ids=["once", "twice", "always"],
)
def test_batch_of_answers_is_tried_twice(start_nginy: StartNginy, error: str, when: str) -> None:
    with datagram_socket() as backend:
        nginy = start_nginy(udp_config([address_of(backend)]))
        (pid,) = nginy.worker_pids()
        with clients_of(nginy.address(), FLOWS) as clients:
            ways = []
            for client in clients:
                client.send(b"?")
                ways.append(backend.recvfrom(100)[1])
            with failing(pid, "sendmmsg", error, when):
                with held(pid):
                    for number in range(ANSWERS):
                        for way in ways:
                            backend.sendto(b"%d" % number * (number + 1), way)
                counted = "from_backends"
                wait_until(lambda: nginy.listener("front")["datagrams"][counted] == FLOWS * ANSWERS, "all were taken")
                got = [all_waiting(client, 0.02) for client in clients]
            seen = nginy.listener("front")["datagrams"]
            clients[0].send(b"and on")
            _, way = backend.recvfrom(100)
            assert way == ways[0]
            backend.sendto(b"it goes", way)
            assert all_waiting(clients[0], 0.2)[-1:] == [b"it goes"]
    n_got = sum(len(answers) for answers in got)
    assert all(answers == sorted(answers) for answers in got), got
    assert seen["to_clients"] == n_got
    assert sum(seen["dropped"].values()) == FLOWS * ANSWERS - n_got
    assert set(seen["dropped"]) <= {DROPS[error]}
    if when == "1":
        assert n_got == FLOWS * ANSWERS
    elif when == "1..2":
        assert 0 < n_got < FLOWS * ANSWERS
    else:
        assert n_got == 0


@pytest.mark.root
@pytest.mark.parametrize(
    ("call", "sizes", "when", "lost"),
    [
        ("sendmsg", [10] * 8, "1", []),
        ("sendmsg", [10] * 8, "1..2", [0, 1, 2, 3]),
        ("sendto", [1, 2, 3, 4], "2..3", [1]),
    ],
    ids=["a run once", "a run twice", "one of many twice"],
)
def test_datagrams_to_a_backend_are_tried_twice(
    start_nginy: StartNginy, call: str, sizes: list[int], when: str, lost: list[int]
) -> None:
    """Equally long ones leave as a run, by sendmsg; others by a send each. A quiet socket is read by four at first."""
    with datagram_socket() as backend:
        nginy = start_nginy(udp_config([address_of(backend)]))
        (pid,) = nginy.worker_pids()
        with client_of(nginy.address()) as client:
            client.send(b"first")
            _, way = backend.recvfrom(100)
            with failing(pid, call, "EAGAIN", when):
                with held(pid):
                    for number, size in enumerate(sizes):
                        client.send(b"%d" % number * size)
                counted = "from_clients"
                wait_until(lambda: nginy.listener("front")["datagrams"][counted] == 1 + len(sizes), "all were taken")
                wait_until(lambda: sum(nginy.listener("front")["datagrams"]["dropped"].values()) == len(lost), "lost")
            client.send(b"last")
            got = []
            while not got or got[-1] != b"last":
                payload, sender = backend.recvfrom(100)
                assert sender == way
                got.append(payload)
    assert got == [b"%d" % n * size for n, size in enumerate(sizes) if n not in lost] + [b"last"]
    dropped = nginy.listener("front")["datagrams"]["dropped"]
    assert dropped == ({"send_full": len(lost)} if lost else {})
