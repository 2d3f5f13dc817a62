"""Checks by datagram against real sockets: DNS, and any bytes."""

import asyncio
import socket
import time

import pytest

from nginy.backend import ask as ask_module
from nginy.backend.address import Place
from nginy.backend.check import check

from .conftest import Run
from .datagram_peers import (
    datagram_peer,
    dns,
    dns_answer,
    echo,
    refusing_port,
    silent,
    udp,
    unheard_port,
)
from .peers import target


def test_dns_check_answer_with_an_expected_code_passes(run: Run) -> None:
    async def scenario() -> None:
        async with datagram_peer(lambda query, _: [dns_answer(query)]) as backend:
            result = await check(target(backend.address, dns(name="example.org", type="AAAA")))
            assert result.is_ok, result
            assert result.text.startswith("dns: NOERROR in ")
            assert backend.heard[0][12:] == b"\7example\3org\0" + b"\0\x1c\0\1"

    run(scenario)


def test_dns_check_ipv6_backend_passes(run: Run) -> None:
    async def scenario() -> None:
        async with datagram_peer(lambda query, _: [dns_answer(query)], "::1") as backend:
            assert (await check(target(backend.address, dns()))).is_ok

    run(scenario)


@pytest.mark.parametrize(("code", "name"), [(2, "SERVFAIL"), (3, "NXDOMAIN"), (5, "REFUSED"), (9, "code 9")])
def test_dns_check_another_code_fails_at_once_and_is_named(run: Run, code: int, name: str) -> None:
    async def scenario() -> None:
        async with datagram_peer(lambda query, _: [dns_answer(query, code)]) as backend:
            result = await check(target(backend.address, dns()))
            assert (result.is_ok, result.text) == (False, f"dns: {name}, expected NOERROR")
            if code < 6:
                assert (await check(target(backend.address, dns(rcode=("NOERROR", name))))).is_ok

    run(scenario)


def test_dns_check_answers_to_somebody_else_are_passed_over(run: Run) -> None:
    def reply(query: bytes, nth: int) -> list[bytes]:
        other = bytes([query[0] ^ 1, query[1]])
        return [b"", query[:11], query, dns_answer(query, id=other), dns_answer(query)]

    async def scenario() -> None:
        async with datagram_peer(reply) as backend:
            result = await check(target(backend.address, dns()))
            assert result.is_ok, result

    run(scenario)


def test_dns_check_an_answer_to_another_question_fails(run: Run) -> None:
    def reply(query: bytes, nth: int) -> list[bytes]:
        return [dns_answer(query, question=b"\5other\3org\0\0\1\0\1")]

    async def scenario() -> None:
        async with datagram_peer(reply) as backend:
            result = await check(target(backend.address, dns(name="example.org")))
            assert (result.is_ok, result.text) == (False, "dns: the answer is for another question")

    run(scenario)


def test_dns_check_two_ids_are_hardly_ever_the_same(run: Run) -> None:
    async def scenario() -> None:
        async with datagram_peer(lambda query, _: [dns_answer(query)]) as backend:
            for _ in range(8):
                assert (await check(target(backend.address, dns()))).is_ok
            assert len({query[:2] for query in backend.heard}) > 1

    run(scenario)


@pytest.mark.parametrize("health", [dns(), udp(send="ping"), udp()], ids=["dns", "udp", "bare"])
def test_a_refusal_fails_at_once(run: Run, health: object) -> None:
    async def scenario() -> None:
        result = await check(target(refusing_port(), health))
        assert (result.is_ok, result.text) == (False, "refused")
        assert result.latency_s < 1

    run(scenario)


@pytest.mark.parametrize("health", [dns(timeout=0.1), udp(send="ping", timeout=0.1)], ids=["dns", "udp"])
def test_silence_fails_at_the_deadline_after_two_datagrams(run: Run, health: object) -> None:
    async def scenario() -> None:
        async with datagram_peer(silent) as backend:
            result = await check(target(backend.address, health))
            assert (result.is_ok, result.text) == (False, "timed out after 100 ms")
            assert len(backend.heard) == 2
            assert len(set(backend.heard)) == 1

    run(scenario)


def test_a_lost_question_is_asked_again_after_half_of_the_time(run: Run) -> None:
    async def scenario() -> None:
        async with datagram_peer(lambda query, nth: [dns_answer(query)] if nth else []) as backend:
            result = await check(target(backend.address, dns(timeout=0.4)))
            assert result.is_ok, result
            assert 0.2 <= result.latency_s < 0.4

    run(scenario)


def test_udp_check_sends_its_payload_and_takes_any_answer(run: Run) -> None:
    async def scenario() -> None:
        async with datagram_peer(echo) as backend:
            result = await check(target(backend.address, udp(send={"hex": "00ff"})))
            assert result.is_ok, result
            assert result.text.startswith("udp: 2 bytes in ")
            assert backend.heard == [b"\x00\xff"]

    run(scenario)


@pytest.mark.parametrize(
    ("expect", "is_ok"),
    [
        ({"prefix": "PO"}, True),
        ({"prefix": "ON"}, False),
        ({"contains": "ON"}, True),
        ({"contains": {"hex": "00"}}, False),
        ({"hex": "504f4e47"}, True),
        ({"hex": "504f4e"}, False),
        ({"prefix": "PO", "contains": "X"}, False),
    ],
)
def test_udp_check_an_answer_has_to_be_as_expected(run: Run, expect: dict[str, object], is_ok: bool) -> None:
    async def scenario() -> None:
        async with datagram_peer(lambda payload, _: [b"PONG"]) as backend:
            result = await check(target(backend.address, udp(send="ping", expect=expect)))
            assert result.is_ok == is_ok
            if not is_ok:
                assert result.text == "udp: unexpected answer of 4 bytes: 'PONG'"
                assert result.latency_s < 1

    run(scenario)


def test_udp_check_a_long_wrong_answer_is_shown_in_part(run: Run) -> None:
    async def scenario() -> None:
        async with datagram_peer(lambda payload, _: [b"\x00" * 60_000]) as backend:
            result = await check(target(backend.address, udp(expect={"prefix": "A"})))
            assert not result.is_ok
            assert result.text.startswith(r"udp: unexpected answer of 60000 bytes: '\x00")
            assert len(result.text) <= 120

    run(scenario)


def test_udp_check_without_a_payload_passes_unless_it_is_refused(run: Run) -> None:
    async def scenario() -> None:
        with unheard_port() as address:
            result = await check(target(address, udp(timeout=0.2)))
            assert (result.is_ok, result.is_late) == (True, False), result
            assert result.text.startswith("udp: not refused in ")
        async with datagram_peer(echo) as backend:
            result = await check(target(backend.address, udp()))
            assert result.is_ok
            assert (backend.heard, result.latency_s < 1) == ([b""], True)

    run(scenario)


def test_udp_check_a_refusal_that_came_while_the_loop_stood_still_counts(run: Run) -> None:
    """The end of the wait is noticed together with the second datagram, which nobody takes any more."""

    async def scenario() -> None:
        with unheard_port() as address:
            checking = asyncio.ensure_future(check(target(address, udp(timeout=0.1))))
            await asyncio.sleep(0.01)
        time.sleep(0.3)  # the loop does not turn: a suspended or starved control
        result = await checking
        assert (result.is_ok, result.text) == (False, "refused"), result

    run(scenario)


def test_udp_check_joined_to_itself_is_refused(run: Run) -> None:
    """A free port of the ephemeral range may be given to the check as its own source port."""

    async def scenario() -> None:
        def open_bound(place: Place) -> socket.socket:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.bind((place.host, place.port))
            return sock

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ask_module, "_open", open_bound)
            result = await check(target(refusing_port(), udp(send="ping")))
        assert (result.is_ok, result.text) == (False, "refused (the kernel joined the socket to itself)")

    run(scenario)


def test_a_unix_socket_cannot_be_checked_by_datagram(run: Run) -> None:
    async def scenario() -> None:
        result = await check(target("unix:/run/x", udp()))
        assert (result.is_ok, result.text) == (False, "a unix socket cannot be checked by udp")

    run(scenario)


def test_a_cancelled_check_closes_its_socket(run: Run) -> None:
    async def scenario() -> None:
        async with datagram_peer(silent) as backend:
            checking = asyncio.ensure_future(check(target(backend.address, udp(send="ping"))))
            while not backend.heard:
                await asyncio.sleep(0.002)
            checking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await checking

    run(scenario)
