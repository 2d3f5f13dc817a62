"""Steer: real sockets, many clients, and each datagram at the socket that its flow belongs to."""

import random
import socket
from collections import Counter

import pytest

from nginy.control import steer
from nginy.control.steer import JEQ, RET_A, Step, assemble, steer_program

from .steering import (
    Group,
    client,
    group,
    place,
    source_words,
    tuple_words,
    words_of,
)

SEED = 0x1234ABCD
SLOTS = 4
CLIENTS = 2000
IP_OPTIONS = 4
IPV6_DSTOPTS = 59


@pytest.fixture(autouse=True)
def rng() -> random.Random:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


def loopback(nth: int) -> str:
    return f"127.0.{nth // 250}.{nth % 250 + 1}"


def assert_is_even(found: Counter[int]) -> None:
    """Within 20 % of its share: five standard deviations of a fair draw."""
    share = found.total() / SLOTS
    assert all(abs(found[slot] - share) <= 0.2 * share for slot in range(SLOTS)), found


def test_each_client_of_ipv4_has_one_socket_and_all_sockets_get_their_share() -> None:
    found: Counter[int] = Counter()
    with group(slots=SLOTS) as served:
        served.steer("tuple", seed=SEED)
        for nth in range(CLIENTS):
            with client(loopback(nth % 7)) as sock:
                expected = place(SEED, tuple_words(sock), SLOTS)
                assert {served.arrival(sock, payload) for payload in (b"", b"a", b"b" * 1400)} == {expected}
                found[expected] += 1
    assert_is_even(found)


def test_each_client_of_ipv6_has_one_socket_and_all_sockets_get_their_share() -> None:
    found: Counter[int] = Counter()
    with group("[::1]:0", slots=SLOTS) as served:
        served.steer("tuple", seed=SEED)
        for _ in range(CLIENTS):
            with client("::1") as sock:
                expected = place(SEED, tuple_words(sock), SLOTS)
                assert {served.arrival(sock, payload) for payload in (b"", b"a", b"b" * 1400)} == {expected}
                found[expected] += 1
    assert_is_even(found)


def test_wildcards_of_both_families_on_one_port_keep_their_flows_apart() -> None:
    with group("0.0.0.0:0", slots=2) as four, group(f"[::]:{four.address[1]}", slots=3) as six:
        four.steer("tuple", seed=SEED)
        six.steer("tuple", seed=SEED)
        for nth in range(50):
            with client(loopback(nth)) as old, client("::1") as new:
                assert four.arrival(old, host=loopback(nth)) == place(SEED, tuple_words(old), 2)
                assert six.arrival(new, host="::1") == place(SEED, tuple_words(new), 3)


def test_the_port_is_found_behind_ipv4_options() -> None:
    with group(slots=SLOTS) as served:
        served.steer("tuple", seed=SEED)
        for n_words in (1, 2, 10):
            for _ in range(20):
                with client() as sock:
                    sock.setsockopt(socket.IPPROTO_IP, IP_OPTIONS, b"\x01" * 4 * n_words)
                    assert served.arrival(sock) == place(SEED, tuple_words(sock), SLOTS)


def test_ipv6_with_extension_headers_goes_by_address_alone() -> None:
    with group("[::1]:0", slots=SLOTS) as served:
        served.steer("tuple", seed=SEED)
        for _ in range(20):
            with client("::1") as sock:
                try:
                    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_DSTOPTS, b"\0\0\x01\x04\0\0\0\0")
                except PermissionError:
                    pytest.skip("only root may add extension headers")
                assert served.arrival(sock) == place(SEED, source_words(sock), SLOTS)


def test_by_source_all_ports_of_an_address_meet_one_socket_and_addresses_are_spread() -> None:
    found: Counter[int] = Counter()
    with group(slots=SLOTS) as served:
        served.steer("source", seed=SEED)
        for nth in range(CLIENTS):
            with client(loopback(nth)) as first, client(loopback(nth)) as second:
                expected = place(SEED, source_words(first), SLOTS)
                assert served.arrival(first) == served.arrival(second) == expected
                found[expected] += 1
    assert_is_even(found)


def test_by_source_ipv6_counts_the_whole_address() -> None:
    with group("[::1]:0", slots=SLOTS) as served:
        served.steer("source", seed=SEED)
        for _ in range(20):
            with client("::1") as sock:
                assert served.arrival(sock) == place(SEED, source_words(sock), SLOTS)


@pytest.mark.parametrize("length", [*range(1, 9), 16, 31, 32])
@pytest.mark.parametrize("offset", [0, 3])
def test_by_bytes_the_same_slice_from_anywhere_meets_one_socket(
    rng: random.Random, offset: int, length: int
) -> None:
    with group(slots=SLOTS) as served, client() as here, client("127.0.0.9") as there:
        served.steer("bytes", offset, length, SEED)
        for _ in range(30):
            part = rng.randbytes(length)
            expected = place(SEED, words_of(part), SLOTS)
            assert served.arrival(here, rng.randbytes(offset) + part) == expected
            assert served.arrival(there, rng.randbytes(offset) + part + rng.randbytes(40)) == expected


def test_by_bytes_a_datagram_that_is_too_short_goes_by_client() -> None:
    with group(slots=SLOTS) as served:
        served.steer("bytes", 4, 8, SEED)
        for size in (0, 4, 11):
            for _ in range(10):
                with client() as sock:
                    assert served.arrival(sock, b"p" * size) == place(SEED, tuple_words(sock), SLOTS)


def test_another_seed_sends_clients_elsewhere() -> None:
    def places(served: Group, seed: int, socks: list[socket.socket]) -> list[int]:
        served.steer("tuple", seed=seed)
        return [served.arrival(sock) for sock in socks]

    with group(slots=SLOTS) as served:
        socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(64)]
        try:
            for sock in socks:
                sock.bind(("127.0.0.1", 0))
            assert places(served, 1, socks) != places(served, 2, socks)
            assert places(served, 1, socks) == places(served, 1, socks)
        finally:
            for sock in socks:
                sock.close()


def test_what_is_shut_takes_nothing_until_it_is_let_in() -> None:
    with group(slots=1) as served, client() as sock:
        steer.shut(served.socks[0])
        sock.sendto(b"early", served.address)
        steer.let_in(served.socks[0])
        assert served.arrival(sock, b"late") == 0


def test_a_socket_that_shares_its_port_with_nobody_is_refused() -> None:
    with client() as sock, pytest.raises(OSError):
        steer.steer(sock, steer_program("tuple", 0, 0, 2, SEED))


def test_every_program_is_short_enough_for_the_kernel() -> None:
    programs = [steer_program(kind, 65000, 32, 64, SEED) for kind in ("tuple", "source", "bytes")]
    assert max(len(program) // 8 for program in programs) < 256
    assert len({bytes(program) for program in programs}) == 3


def test_a_program_never_jumps_back_or_nowhere() -> None:
    with pytest.raises(KeyError, match="forward only"):
        assemble(["back", Step(JEQ, 1, yes="back"), Step(RET_A)])
    with pytest.raises(KeyError, match="nowhere"):
        assemble([Step(JEQ, 1, yes="nowhere"), Step(RET_A)])
