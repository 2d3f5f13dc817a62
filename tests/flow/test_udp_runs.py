"""With `gro: on`, a run of datagrams is still treated one by one where that matters."""

import socket
import struct
from typing import Any

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend, client_of
from tests.tools.waiting import wait_until

UDP_SEGMENT = 103  # linux/udp.h
N = 4


def with_header(number: int, payload: bytes) -> bytes:
    """A PROXY v2 header (DGRAM over IPv4) that names another client for each number, and the payload."""
    client, local = socket.inet_aton(f"192.0.2.{number + 1}"), socket.inet_aton("198.51.100.1")
    addresses = struct.pack(">4s4sHH", client, local, 1000 + number, 53)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x12" + struct.pack(">H", len(addresses)) + addresses + payload


def send_run(address: str, payloads: list[bytes]) -> None:
    """All of them with one call; over loopback such a run stays one packet for who takes it as one."""
    with client_of(address) as sock:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(payloads[0]))
        sock.send(b"".join(payloads))


@pytest.mark.parametrize(
    ("session", "n_flows"),
    [
        ({}, 1),
        ({"requests": 1, "responses": 1}, N),
        ({"requests": 2, "responses": 1}, N // 2),
        ({"responses": 0}, N),
        ({"per_datagram": "on"}, N),
        ({"key": {"kind": "bytes", "offset": 0, "length": 4}}, N),
    ],
    ids=["one flow", "requests 1", "requests 2", "responses 0", "per_datagram", "key of bytes"],
)
def test_a_run_begins_as_many_flows_as_its_datagrams_do(
    start_nginy: StartNginy, session: dict[str, Any], n_flows: int
) -> None:
    with DatagramBackend(answer=lambda *_: ()) as backend:
        nginy = start_nginy(udp_config([backend.address], session=session, listener={"udp": {"gro": "on"}}))
        payloads = [b"pay%d" % number for number in range(N)]
        send_run(nginy.address(), payloads)
        wait_until(lambda: len(backend.received) == N, "all of them")
        assert sorted(backend.payloads) == payloads
        assert len(backend.senders) == n_flows


def test_a_proxy_header_is_taken_off_each_datagram_of_a_run(start_nginy: StartNginy) -> None:
    with DatagramBackend(answer=lambda *_: ()) as backend:
        udp = {"gro": "on", "proxy_protocol": {"from": "127.0.0.1"}}
        nginy = start_nginy(udp_config([backend.address], listener={"udp": udp}))
        payloads = [b"pay%d" % number for number in range(N)]
        send_run(nginy.address(), [with_header(number, payload) for number, payload in enumerate(payloads)])
        wait_until(lambda: len(backend.received) == N, "all of them")
        assert backend.payloads == payloads
