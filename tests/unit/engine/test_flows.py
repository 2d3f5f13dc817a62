"""UDP flows: one backend per client, answers back to whom they are for, an end with a reason."""

import socket

from tests.tools.waiting import wait_until
from tests.unit.engine.datagrams import Balanced, Echo, addresses, ask, datagram_socket, is_silent


def test_client_gets_its_answer_and_stays_on_its_backend(echoes):
    with Balanced(addresses(echoes)) as nginy, nginy.client() as client:
        first = ask(client)
        assert first in (b"a:hello", b"b:hello", b"c:hello")
        assert {ask(client) for _ in range(10)} == {first}
        assert nginy.live() == 1


def test_clients_take_turns_among_backends(echoes):
    with Balanced(addresses(echoes)) as nginy:
        clients = [nginy.client() for _ in range(9)]
        answers = [ask(client) for client in clients]
        assert sorted(answers) == sorted([b"a:hello", b"b:hello", b"c:hello"] * 3)
        for client in clients:
            client.close()


def test_empty_and_largest_datagrams_pass_both_ways(echoes):
    echoes[0].name = b""
    with Balanced(addresses(echoes)[:1]) as nginy, nginy.client() as client:
        assert ask(client, b"") == b""
        most = bytes(range(256)) * 256
        assert ask(client, most[:65507]) == most[:65507]


def test_run_of_datagrams_arrives_in_order_and_whole(echoes):
    echoes[0].name = b""
    with Balanced(addresses(echoes)[:1]) as nginy, nginy.client() as client:
        sent = [bytes([k]) * size for k, size in enumerate([100] * 30 + [50] + [200, 100, 100, 0, 300] * 3)]
        for data in sent:
            client.send(data)
        assert [client.recv(65535) for _ in sent] == sent


def test_run_that_was_received_as_one_arrives_as_it_was_sent(echoes):
    echoes[0].name = b""
    with Balanced(addresses(echoes)[:1], gro=True) as nginy, nginy.client() as client:
        client.setsockopt(socket.IPPROTO_UDP, 103, 500)  # UDP_SEGMENT
        data = bytes(range(250)) * 41
        client.send(data)
        client.setsockopt(socket.IPPROTO_UDP, 103, 0)
        assert b"".join(client.recv(65535) for _ in range(21)) == data
        wait_until(lambda: nginy.counters["to_clients"] == 21, "every datagram counted")
        assert nginy.counters["from_clients"] == 21 and nginy.counters["receives"] < 30


def test_reply_leaves_from_the_address_that_was_asked(echoes):
    with Balanced(addresses(echoes), host="127.0.0.7", wildcard=True) as nginy, datagram_socket() as client:
        client.sendto(b"x", nginy.address)
        _, sender = client.recvfrom(100)
        assert sender == nginy.address


def test_ipv6_clients_and_backends():
    echo = Echo(b"six:", "::1")
    with Balanced([echo.address], host="::1") as nginy, nginy.client("::1") as client:
        assert ask(client) == b"six:hello"
    echo.close()


def test_silent_flow_ends_as_idle_and_the_next_datagram_opens_another(echoes):
    with Balanced(addresses(echoes), idle_ms=200) as nginy, nginy.client() as client:
        ask(client)
        wait_until(lambda: nginy.live() == 0, "the count")
        assert nginy.reasons() == {"idle": 1}
        ask(client)
        assert nginy.driven.board.listener(0)["accepted"] == 2


def test_answers_keep_a_flow_alive(echoes):
    backend = datagram_socket()
    with Balanced([backend.getsockname()], idle_ms=400) as nginy, nginy.client() as client:
        client.send(b"subscribe")
        _, flow = backend.recvfrom(100)
        for _ in range(4):
            assert is_silent(client, 0.25)
            backend.sendto(b"news", flow)
            assert client.recv(100) == b"news"
        assert nginy.live() == 1
    backend.close()


def test_datagram_from_elsewhere_never_reaches_the_client(echoes):
    backend, stranger = datagram_socket(), datagram_socket()
    with Balanced([backend.getsockname()]) as nginy, nginy.client() as client:
        client.send(b"hello")
        _, flow = backend.recvfrom(100)
        stranger.sendto(b"forged", flow)
        backend.sendto(b"true", flow)
        assert client.recv(100) == b"true" and is_silent(client)
    backend.close()
    stranger.close()


def test_refused_backend_is_left_and_the_next_datagram_chooses_again(echoes):
    with datagram_socket() as closed:
        dead = closed.getsockname()
    with Balanced([dead, echoes[0].address]) as nginy:
        clients = [nginy.client() for _ in range(4)]
        for client in clients:
            client.send(b"lost or not")
        wait_until(lambda: nginy.outcomes(0).get("refused", 0) >= 1, "the count")
        for client in clients:
            while not is_silent(client):
                client.recv(100)
            assert ask(client) == b"a:hello"
            client.close()
        assert nginy.reasons().get("connect_failed", 0) == nginy.outcomes(0)["refused"]


def test_full_table_evicts_the_oldest_flow_without_an_answer(echoes):
    silent = datagram_socket()
    with Balanced([silent.getsockname()], flows_max=8) as nginy:
        clients = [nginy.client() for _ in range(12)]
        for client in clients:
            client.send(b"first")
            silent.recvfrom(100)
        assert nginy.live() == 8 and nginy.reasons() == {"evicted": 4}
        for client in clients:
            client.close()
    silent.close()


def test_answered_flows_are_never_evicted_and_the_newcomer_is_counted(echoes):
    with Balanced(addresses(echoes), flows_max=8) as nginy:
        clients = [nginy.client() for _ in range(8)]
        firsts = [ask(client) for client in clients]
        with nginy.client() as late:
            late.send(b"no room")
            wait_until(lambda: nginy.drops() == {"table_full": 1}, "the count")
        assert [ask(client) for client in clients] == firsts
        assert nginy.counters["assured"] == 8 and nginy.reasons() == {}
        for client in clients:
            client.close()


def test_counters_tell_every_datagram(echoes):
    with Balanced(addresses(echoes)) as nginy, nginy.client() as client:
        for _ in range(5):
            ask(client, b"12345")
        names = ("from_clients", "to_backends", "from_backends", "to_clients")
        wait_until(lambda: [nginy.counters[name] for name in names] == [5] * 4, "five each way")
        row = nginy.driven.board.listener(0)
        assert (row["bytes_in"], row["bytes_out"]) == (25, 35)


def test_two_clients_never_see_each_others_datagrams(echoes):
    for echo in echoes:
        echo.name = b""
    with Balanced(addresses(echoes)) as nginy:
        clients = [nginy.client() for _ in range(50)]
        for turn in range(20):
            for n, client in enumerate(clients):
                client.send(b"%d/%d" % (n, turn))
            for n, client in enumerate(clients):
                assert client.recv(100) == b"%d/%d" % (n, turn)
        for client in clients:
            assert is_silent(client, 0)
            client.close()
