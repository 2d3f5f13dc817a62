"""How flows are counted, bound to keys, limited and ended: requests and responses, keys, rates, reloads."""

import errno
import random
import resource
import socket
import struct

import pytest

from nginy._fast import door
from tests.tools.waiting import wait_until
from tests.unit.engine.datagrams import Balanced, addresses, ask, datagram_socket, is_silent
from tests.unit.policy.rows import key


@pytest.fixture
def silent():
    with datagram_socket() as sock:
        yield sock


# ---- requests and responses: nginx' proxy_requests and proxy_responses ----


def test_flow_ends_with_its_last_answer(echoes):
    with Balanced(addresses(echoes), requests=1, responses=1) as nginy, nginy.client() as client:
        assert [ask(client) for _ in range(3)] == [b"a:hello", b"b:hello", b"c:hello"]
        wait_until(lambda: nginy.reasons() == {"closed": 3}, "all three ended")
        assert nginy.live() == 0


def test_without_a_bound_on_requests_each_answered_request_ends_its_flow(echoes):
    with Balanced(addresses(echoes), responses=1) as nginy, nginy.client() as client:
        assert [ask(client) for _ in range(3)] == [b"a:hello", b"b:hello", b"c:hello"]


def test_flow_lasts_for_its_requests(echoes):
    with Balanced(addresses(echoes), requests=2, responses=1) as nginy, nginy.client() as client:
        assert [ask(client)[:2] for _ in range(6)] == [b"a:", b"a:", b"b:", b"b:", b"c:", b"c:"]


def test_fire_and_forget_ends_at_once_and_every_datagram_chooses(silent):
    others = [datagram_socket() for _ in range(2)]
    with Balanced([sock.getsockname() for sock in (silent, *others)], requests=1, responses=0) as nginy:
        with nginy.client() as client:
            for n in range(6):
                client.send(b"%d" % n)
            for at, sock in enumerate((silent, *others)):
                assert sorted(sock.recv(10) for _ in range(2)) == [b"%d" % at, b"%d" % (at + 3)]
        wait_until(lambda: nginy.reasons() == {"closed": 6}, "six flows, all ended")
        assert nginy.outcomes(0) == {"connected": 2}
    for sock in others:
        sock.close()


def test_requests_without_responses_bound_share_no_flow_and_answers_still_pass(echoes):
    with Balanced(addresses(echoes), requests=1) as nginy, nginy.client() as client:
        assert [ask(client)[:2] for _ in range(4)] == [b"a:", b"b:", b"c:", b"a:"]
        assert nginy.live() == 4


def test_burst_is_cut_into_flows_of_so_many_requests(echoes):
    with Balanced(addresses(echoes), requests=2, responses=1) as nginy, nginy.client() as client:
        for n in range(6):
            client.send(b"%d" % n)
        got = sorted(client.recv(10) for _ in range(6))
        assert got == [b"a:0", b"a:1", b"b:2", b"b:3", b"c:4", b"c:5"]


def test_several_answers_to_one_request_are_awaited(silent):
    with Balanced([silent.getsockname()], requests=1, responses=3) as nginy, nginy.client() as client:
        client.send(b"list")
        _, flow = silent.recvfrom(10)
        for n in range(3):
            assert nginy.live() == 1
            silent.sendto(b"%d" % n, flow)
            assert client.recv(10) == b"%d" % n
        wait_until(lambda: nginy.live() == 0, "the flow to end")


def test_missing_answer_ends_the_flow_as_idle_and_the_attempt_as_timed_out(silent):
    with Balanced([silent.getsockname()], requests=1, responses=1, idle_ms=200) as nginy:
        with nginy.client() as client:
            client.send(b"anybody")
            wait_until(lambda: nginy.reasons() == {"idle": 1}, "the flow to end")
            assert nginy.outcomes(0) == {"timeout": 1}


# ---- keys ----


def test_source_key_binds_all_ports_of_a_client_to_one_backend(echoes):
    with Balanced(addresses(echoes), key=key("source")) as nginy:
        clients = [nginy.client("127.0.0.1") for _ in range(6)]
        assert len({ask(client)[:2] for client in clients}) == 1
        with nginy.client("127.0.0.9") as other:
            assert ask(other)[:2] != ask(clients[0])[:2]
        assert nginy.live() == 7
        for client in clients:
            client.close()


def test_payload_key_decides_whoever_sends_it(echoes):
    by_token = key("bytes", offset=2, n_bytes=4)
    with Balanced(addresses(echoes), key=by_token) as nginy, nginy.client() as one, nginy.client() as two:
        answers = {token: ask(one, b"v1" + token)[:2] for token in (b"aaaa", b"bbbb", b"cccc")}
        assert len(set(answers.values())) == 3
        assert {token: ask(two, b"v1" + token)[:2] for token in answers} == answers
        assert {token: ask(one, b"v1" + token)[:2] for token in answers} == answers
        ask(one, b"v1a")  # too short for a key: the sender's address and port


def test_connection_id_keeps_its_backend_when_the_client_moves(echoes):
    cid = b"\x11" * 8
    conf = {"key": key("quic_cid", cid_bytes=8)}
    with Balanced(addresses(echoes), **conf) as nginy, nginy.client() as before, nginy.client() as after:
        first = ask(before, b"\xc0\0\0\0\1\x08" + cid + b"\0rest")[:2]
        assert ask(before, b"\x40" + cid + b"data")[:2] == first
        assert ask(after, b"\x40" + cid + b"data")[:2] == first


def test_key_whose_backend_refuses_chooses_again(echoes):
    with datagram_socket() as closed:
        dead = closed.getsockname()
    with Balanced([dead, echoes[0].address], key=key("source")) as nginy, nginy.client() as client:
        client.send(b"to whom")
        wait_until(lambda: nginy.live() == 0 or not is_silent(client, 0), "a refusal, or an answer")
        while not is_silent(client):
            client.recv(100)
        assert [ask(client) for _ in range(3)] == [b"a:hello"] * 3


def test_id_that_belongs_to_another_backend_cannot_be_taken_away(echoes):
    conf = {"key": key("quic_cid", cid_bytes=8)}
    with Balanced(addresses(echoes), **conf) as nginy, nginy.client() as owner, nginy.client() as thief:
        first = ask(owner, b"\x40" + b"o" * 8)[:2]
        assert ask(thief, b"\x40" + b"t" * 8)[:2] != first
        ask(thief, b"\x40" + b"o" * 8)
        with nginy.client() as moved:
            assert ask(moved, b"\x40" + b"o" * 8)[:2] == first


def test_drain_still_takes_proxy_headers_off(echoes):
    header = proxy_header(("192.0.2.1", 1000), ("192.0.2.2", 53))
    nginy = Balanced(addresses(echoes), nets=[(mapped("127.0.0.0"), 104)])
    with nginy.client() as proxy:
        assert ask(proxy, header + b"one")[2:] == b"one"
        nginy.driven.tell(door.MSG_DRAIN, 1000)
        wait_until(lambda: nginy.driven.board.worker(0)["state"] == 2, "the drain")
        assert ask(proxy, header + b"two")[2:] == b"two"
    nginy.driven.wait(door.MSG_DRAINED)
    nginy.driven.join()
    nginy.driven.close()
    nginy.sock.close()


def test_new_id_of_a_known_client_is_learned(echoes):
    conf = {"key": key("quic_cid", cid_bytes=8)}
    with Balanced(addresses(echoes), **conf) as nginy, nginy.client() as before, nginy.client() as after:
        first = ask(before, b"\xc0\0\0\0\1\x08" + b"\x22" * 8 + b"\0")[:2]
        chosen_by_server = b"\x33" * 8
        assert ask(before, b"\x40" + chosen_by_server)[:2] == first
        assert ask(after, b"\x40" + chosen_by_server)[:2] == first


def test_server_id_inside_the_connection_id_names_the_backend(echoes):
    conf = {"key": key("quic_cid", cid_bytes=8), "server_offset": 1, "server_bytes": 2}
    cids = [(0x0A01, 0), (0x0A02, 1), (0x0B03, 2)]
    with Balanced(addresses(echoes), **conf, cids=cids) as nginy, nginy.client() as client:
        for id, name in ((b"\x0b\x03", b"c:"), (b"\x0a\x01", b"a:"), (b"\x0a\x02", b"b:")):
            with nginy.client() as fresh:
                assert ask(fresh, b"\x40\x00" + id + b"\0" * 5)[:2] == name
        ask(client, b"\x40\x00\xff\xff" + b"\0" * 5)  # nobody has this id: the policy decides


# ---- reuse of upstream sockets ----


def question(id, name, *, is_answer=False, tail=b""):
    labels = b"".join(bytes([len(part)]) + part for part in name.split(b"."))
    return struct.pack(">HHHHHH", id, 0x8180 if is_answer else 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1" + tail


DNS = {"requests": 1, "responses": 1, "check": door.CHECKS["dns"], "is_reuse": True}


def test_sockets_are_used_again_and_late_or_doubled_answers_reach_nobody(silent):
    with Balanced([silent.getsockname()], **DNS) as nginy:
        sources = set()
        for n in range(20):
            with nginy.client() as client:
                name = b"host%d.example" % n
                client.send(question(n, name))
                data, flow = silent.recvfrom(512)
                sources.add(flow)
                if n:
                    silent.sendto(question(n - 1, b"host%d.example" % (n - 1), is_answer=True), flow)  # late
                silent.sendto(question(n, b"other.example", is_answer=True), flow)  # right id, wrong name
                silent.sendto(question(n, name), flow)  # no answer at all
                silent.sendto(question(n, name.upper(), is_answer=True, tail=b"yes"), flow)
                silent.sendto(question(n, name, is_answer=True, tail=b"again"), flow)
                assert client.recv(512).endswith(b"yes")
                assert is_silent(client, 0.02)
        assert len(sources) == 1
        wait_until(lambda: nginy.drops() == {"unexpected": 79}, "every stray answer counted")
        assert nginy.reasons() == {"closed": 20}


def test_socket_whose_answer_never_came_is_not_used_again(silent):
    with Balanced([silent.getsockname()], **DNS, idle_ms=150) as nginy:
        with nginy.client() as client:
            client.send(question(1, b"a.example"))
            _, first = silent.recvfrom(512)
            wait_until(lambda: nginy.reasons() == {"idle": 1}, "the flow to end")
            client.send(question(2, b"a.example"))
            _, second = silent.recvfrom(512)
            assert first != second


def test_one_way_datagrams_share_sockets(silent):
    with Balanced([silent.getsockname()], requests=1, responses=0, is_reuse=True) as nginy:
        with nginy.client() as client:
            flows = set()
            for n in range(20):
                client.send(b"<13>message %d" % n)
                data, flow = silent.recvfrom(512)
                assert data == b"<13>message %d" % n
                flows.add(flow)
            assert len(flows) <= 2
            silent.sendto(b"nobody asked", flow)
            wait_until(lambda: nginy.drops() == {"unexpected": 1}, "the answer to be dropped")
            assert is_silent(client, 0.02)


# ---- limits ----


def test_flows_of_one_source_are_bounded_and_released(silent):
    with Balanced([silent.getsockname()], source_flows=3, idle_ms=300) as nginy:
        clients = [nginy.client("127.0.0.1") for _ in range(5)]
        for client in clients:
            client.send(b"x")
        wait_until(lambda: nginy.drops() == {"source_flows": 2}, "two refused")
        with nginy.client("127.0.0.2") as other:
            other.send(b"x")
            wait_until(lambda: nginy.live() == 4, "another source has its own bound")
        wait_until(lambda: nginy.live() == 0, "all ended")
        for client in clients[:3]:
            client.send(b"x")
        wait_until(lambda: nginy.live() == 3, "the bound is free again")
        for client in clients:
            client.close()


@pytest.mark.parametrize("name", ["source_rate", "flow_rate"])
def test_rate_of_new_flows_is_bounded_before_a_socket_is_made(silent, name):
    with Balanced([silent.getsockname()], **{name: 10}) as nginy:
        clients = [nginy.client() for _ in range(30)]
        for client in clients:
            client.send(b"x")
        wait_until(lambda: nginy.counters["from_clients"] == 30, "all received")
        wait_until(lambda: nginy.live() + nginy.drops().get(name, 0) == 30, "all judged")
        assert 1 <= nginy.live() <= 10
        for client in clients:
            client.close()


def test_datagram_rate_and_bandwidth_are_bounded(silent):
    with Balanced([silent.getsockname()], datagram_rate=100) as nginy, nginy.client() as client:
        for _ in range(500):
            client.send(b"x" * 10)
        wait_until(lambda: nginy.counters["from_clients"] == 500, "all received")
        wait_until(lambda: nginy.counters["to_backends"] + nginy.drops()["datagram_rate"] == 500, "all judged")
        assert 64 <= nginy.counters["to_backends"] <= 200
    with Balanced([silent.getsockname()], bandwidth=100000) as nginy, nginy.client() as client:
        for _ in range(300):
            client.send(b"x" * 1000)
        wait_until(lambda: nginy.counters["from_clients"] == 300, "all received")
        wait_until(lambda: nginy.counters["to_backends"] + nginy.drops()["bandwidth"] == 300, "all judged")
        assert 64 <= nginy.counters["to_backends"] <= 200


def test_session_cap_of_the_listener_holds(silent):
    with Balanced([silent.getsockname()], row={"max_sessions": 2}) as nginy:
        clients = [nginy.client() for _ in range(4)]
        for client in clients:
            client.send(b"x")
        wait_until(lambda: nginy.drops() == {"session_limit": 2}, "two refused")
        assert nginy.live() == 2
        for client in clients:
            client.close()


def test_loop_through_ourselves_stops(echoes):
    with Balanced([]) as nginy:
        nginy.publish([nginy.address])
        with nginy.client() as client:
            client.send(b"round and round")
            wait_until(lambda: nginy.drops().get("loop") == 1, "the loop to be seen")
            assert nginy.counters["from_clients"] == 2


# ---- PROXY protocol ----

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy_header(source, target):
    head = SIGNATURE + b"\x21\x12" + struct.pack(">H", 12)
    return head + socket.inet_aton(source[0]) + socket.inet_aton(target[0]) + struct.pack(">HH", source[1], target[1])


@pytest.mark.parametrize("kind", ["flow", "datagram"])
def test_backend_learns_the_client_by_proxy_header(silent, kind):
    with Balanced([silent.getsockname()], pool_row={"proxy_out": door.PROXY_OUT[kind]}) as nginy:
        with nginy.client() as client:
            header = proxy_header(client.getsockname(), nginy.address)
            for n in range(3):
                client.send(b"data%d" % n)
                assert silent.recv(200) == (header if n == 0 or kind == "datagram" else b"") + b"data%d" % n


def mapped(ip):
    return b"\0" * 10 + b"\xff\xff" + socket.inet_aton(ip)


def test_trusted_proxy_is_believed_and_others_are_not(echoes):
    nets = [(mapped("127.0.0.8"), 126)]
    conf = {"key": key("source"), "nets": nets}
    with Balanced(addresses(echoes), **conf) as nginy, nginy.client("127.0.0.9") as proxy, nginy.client() as client:
        header = proxy_header(("192.0.2.1", 1000), ("192.0.2.2", 53))
        assert ask(proxy, header + b"one")[2:] == b"one"
        assert ask(proxy, b"two")[2:] == b"two"
        assert ask(client, header + b"three")[2:] == header + b"three"
        with nginy.client("127.0.0.10") as second:
            assert ask(second, header + b"four")[:2] == ask(proxy, b"five")[:2]


def test_broken_header_of_a_trusted_proxy_is_dropped_and_counted(echoes):
    whole = proxy_header(("192.0.2.1", 1000), ("192.0.2.2", 53))
    broken = [
        whole[:15], whole[:20], SIGNATURE + b"\x31\x12" + whole[14:], SIGNATURE + b"\x2f\x12" + whole[14:],
        SIGNATURE + b"\x21\x11" + whole[14:], SIGNATURE + b"\x21\x32" + whole[14:],
        SIGNATURE + b"\x21\x12\0\x0b" + whole[16:], SIGNATURE + b"\x21\x12\xff\xff" + whole[16:],
    ]  # fmt: skip
    with Balanced(addresses(echoes), nets=[(mapped("127.0.0.0"), 104)]) as nginy, nginy.client() as proxy:
        for data in broken:
            proxy.send(data)
        wait_until(lambda: nginy.drops() == {"proxy_header": len(broken)}, "all dropped")
        assert ask(proxy, SIGNATURE + b"\x20\0\0\0" + b"local")[2:] == b"local"
        assert all(not echo.senders or len(echo.senders) == 1 for echo in echoes)


# ---- reload, drain, stop ----


def test_flows_keep_their_backend_when_others_come_and_go(echoes):
    with Balanced(addresses(echoes)[:1]) as nginy, nginy.client() as client:
        first = ask(client)
        for _ in range(5):
            nginy.publish(addresses(echoes))
            assert ask(client) == first
            nginy.publish(addresses(echoes)[:1])
            assert ask(client) == first
        assert nginy.reasons() == {}


def test_removed_backend_ends_its_flows_with_a_reason_and_the_next_datagram_chooses(echoes):
    with Balanced(addresses(echoes)[:2]) as nginy:
        clients = [nginy.client() for _ in range(4)]
        for client in clients:
            ask(client)
        nginy.publish([None, echoes[1].address])
        wait_until(lambda: nginy.reasons() == {"backend_removed": 2}, "its flows to end")
        assert {ask(client)[:2] for client in clients} == {b"b:"}
        for client in clients:
            client.close()


@pytest.mark.parametrize("n", [1, 256, 300])
def test_removed_listener_ends_its_flows_with_a_reason(echoes, n):
    with Balanced(addresses(echoes)) as nginy:
        clients = [nginy.client() for _ in range(n)]
        for client in clients:
            ask(client)
        nginy.remove_listener()
        wait_until(lambda: nginy.live() == 0, "its flows to end")
        assert nginy.reasons() == {"drain_deadline": n}
        for client in clients:
            client.close()


def test_socket_id_of_a_removed_listener_serves_the_next_one(echoes):
    with Balanced(addresses(echoes)) as nginy, nginy.client() as client:
        ask(client)
        nginy.remove_listener()
        with datagram_socket() as fresh:
            fresh.setblocking(False)
            nginy.address = fresh.getsockname()
            nginy.driven.give({0: fresh})
            nginy.publish(addresses(echoes))
            with nginy.client() as other:
                assert ask(other)[2:] == b"hello"


def test_other_answers_of_a_used_socket_reach_no_client_whose_request_cannot_be_read(silent):
    with Balanced([silent.getsockname()], **DNS) as nginy, nginy.client() as one, nginy.client() as two:
        one.send(question(1, b"a.example"))
        _, flow = silent.recvfrom(512)
        silent.sendto(question(1, b"a.example", is_answer=True), flow)
        one.recv(512)
        two.send(b"junk")
        _, other = silent.recvfrom(512)
        assert other != flow
        silent.sendto(question(1, b"a.example", is_answer=True, tail=b"again"), flow)
        assert is_silent(two, 0.1)


def test_source_limit_does_not_stand_in_the_way_of_eviction(silent):
    with Balanced([silent.getsockname()], flows_max=8, source_flows=4) as nginy:
        clients = [nginy.client(f"127.0.1.{n}") for n in range(1, 21)]
        for client in clients:
            client.send(b"x")
            silent.recv(10)
        assert nginy.reasons() == {"evicted": 12} and nginy.drops() == {}
        for client in clients:
            client.close()


def test_flows_beyond_what_descriptors_allow_evict_too(silent):
    with Balanced([silent.getsockname()], flows_most=8) as nginy:
        clients = [nginy.client() for _ in range(12)]
        for client in clients:
            client.send(b"x")
            silent.recv(10)
        assert nginy.live() == 8 and nginy.reasons() == {"evicted": 4}
        for client in clients:
            client.close()


def test_sockets_are_not_used_again_once_that_is_turned_off(silent):
    with Balanced([silent.getsockname()], **DNS) as nginy:
        sources = []
        for is_reuse in (True, True, False, False):
            nginy.publish([silent.getsockname()], is_reuse=is_reuse)
            with nginy.client() as client:
                client.send(question(7, b"a.example"))
                _, flow = silent.recvfrom(512)
                silent.sendto(question(7, b"a.example", is_answer=True), flow)
                client.recv(512)
                sources.append(flow)
        assert sources[0] == sources[1] and len(set(sources[1:])) == 3


def test_key_that_is_no_longer_wanted_binds_nobody(echoes):
    with Balanced(addresses(echoes), key=key("source")) as nginy:
        with nginy.client() as client:
            ask(client)
        nginy.publish(addresses(echoes), key=key("tuple"))
        clients = [nginy.client() for _ in range(6)]
        assert len({ask(client)[:2] for client in clients}) == 3
        for client in clients:
            client.close()


def test_loop_is_seen_behind_a_proxy_header_too():
    nets = [(mapped("127.0.0.0"), 104)]
    with Balanced([], pool_row={"proxy_out": door.PROXY_OUT["datagram"]}, nets=nets) as nginy:
        nginy.publish([nginy.address])
        with nginy.client() as client:
            client.send(b"round and round")
            wait_until(lambda: nginy.drops().get("loop") == 1, "the loop to be seen")
            assert nginy.counters["from_clients"] == 2




def test_drain_lets_flows_finish_until_its_deadline(echoes):
    nginy = Balanced(addresses(echoes))
    with nginy.client() as client:
        first = ask(client)
        nginy.driven.tell(door.MSG_DRAIN, 400)
        assert ask(client) == first
        cut, _ = nginy.driven.wait(door.MSG_DRAINED)
        assert cut == 1 and nginy.reasons() == {"drain_deadline": 1}
    nginy.driven.join()
    nginy.driven.close()
    nginy.sock.close()


def test_stop_ends_every_flow_with_a_reason(echoes):
    nginy = Balanced(addresses(echoes))
    clients = [nginy.client() for _ in range(10)]
    for client in clients:
        ask(client)
    nginy.driven.tell(door.MSG_STOP)
    nginy.driven.join()
    assert nginy.reasons() == {"stopped": 10}
    for client in clients:
        client.close()
    nginy.driven.close()
    nginy.sock.close()


def test_datagrams_at_random_are_never_mixed_up_nor_lost(echoes):
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for echo in echoes:
        echo.name = b""
    with Balanced(addresses(echoes), flows_max=4096) as nginy:
        clients = [nginy.client() for _ in range(40)]
        for _ in range(200):
            client = chance.choice(clients)
            sizes = chance.choices((0, 1, 64, 64, 64, 700, 1400), k=chance.randint(1, 12))
            sent = [chance.randbytes(size) for size in sizes]
            for data in sent:
                client.send(data)
            assert [client.recv(65535) for _ in sent] == sent
        for client in clients:
            client.close()


def test_answers_that_come_in_masses_find_room_or_are_counted(silent):
    with Balanced([silent.getsockname()], idle_ms=400) as nginy, nginy.client() as client:
        client.send(b"everything")
        _, flow = silent.recvfrom(100)
        for _ in range(2000):
            silent.sendto(b"x" * 1200, flow)
        wait_until(lambda: nginy.live() == 0, "the flow to end")
        seen = nginy.counters
        assert seen["from_backends"] + seen["kernel_drops"] == 2000


# ---- memory ----


def test_listener_whose_table_finds_no_memory_stays_shut_and_says_so(echoes):
    with Balanced(addresses(echoes)[:1]) as nginy:
        before = resource.getrlimit(resource.RLIMIT_AS)
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + (16 << 20), before[1]))
        try:
            error = nginy.publish(addresses(echoes)[:1], row={"id": 1}, flows_max=1 << 20)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
        assert error == errno.ENOMEM
        with nginy.client() as client:
            client.send(b"hello")
            assert is_silent(client)
        assert nginy.publish(addresses(echoes)[:1], row={"id": 2}, flows_max=16) == 0
