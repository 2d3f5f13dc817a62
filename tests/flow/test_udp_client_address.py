"""Backends learn who the client is: by PROXY protocol v2 from balancer to balancer, or from its own address."""

import json
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend, client_of, clients_of, exchange, is_silent
from tests.tools.nginy_process import ROOT
from tests.tools.waiting import wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


class Headed(NamedTuple):
    """A datagram that came with a header: whose it is, where it was sent to, and what was in it."""

    client: tuple[str, int]
    asked: tuple[str, int]
    payload: bytes


def unheaded(datagram: bytes) -> Headed | None:
    """None when no header for UDP over IPv4 stands in front."""
    if not datagram.startswith(SIGNATURE + b"\x21\x12"):
        return None
    (n_bytes,) = struct.unpack_from(">H", datagram, 14)
    source, target, source_port, target_port = struct.unpack_from(">4s4sHH", datagram, 16)
    places = (socket.inet_ntoa(source), source_port), (socket.inet_ntoa(target), target_port)
    return Headed(*places, datagram[16 + n_bytes :])


def answer_inside(datagram: bytes, _sender: Any) -> list[bytes]:
    """The payload alone."""
    found = unheaded(datagram)
    return [found.payload if found else datagram]


@pytest.mark.parametrize(("outer", "inner"), [("flow", "datagram"), ("datagram", "flow")])
def test_two_in_a_row_tell_the_backend_who_the_client_is(
    start_nginy: StartNginy, tmp_path: Path, outer: str, inner: str
) -> None:
    log = tmp_path / "access"
    with DatagramBackend(answer=answer_inside) as peer:
        second = start_nginy(
            udp_config(
                [peer.address],
                listener={"udp": {"proxy_protocol": {"from": ["127.0.0.0/8"]}}},
                pool={"udp": {"proxy_protocol": inner}},
                runtime={"access_log": {"output": str(log), "format": "json"}},
            )
        )
        first = start_nginy(udp_config([second.address()], pool={"udp": {"proxy_protocol": outer}}))
        with clients_of(first.address(), 5, "127.0.0.7") as clients:
            for number in range(3):
                for client in clients:
                    assert exchange(client, b"%d" % number) == b"%d" % number
            places = [client.getsockname() for client in clients]
            wait_until(lambda: len(log.read_text().splitlines()) == 5 if log.exists() else False, "five records")
    found = [unheaded(payload) for payload, _ in peer.received]
    headed = [one for one in found if one]
    assert len(found) == 15
    assert len(headed) == (15 if inner == "datagram" else 5)
    assert {one.client for one in headed} == set(places)
    told = {json.loads(line)["client"] for line in log.read_text().splitlines()}
    assert told == {f"{host}:{port}" for host, port in places}


def test_header_of_a_stranger_is_payload(start_nginy: StartNginy) -> None:
    """Only listed networks are believed."""
    with DatagramBackend() as peer:
        trusted = {"udp": {"proxy_protocol": {"from": ["127.0.0.9/32"]}}}
        nginy = start_nginy(udp_config([peer.address], listener=trusted))
        header = SIGNATURE + b"\x21\x12\0\x0c" + socket.inet_aton("192.0.2.1") * 2 + b"\0\1\0\2"
        with client_of(nginy.address(), "127.0.0.8") as stranger, client_of(nginy.address(), "127.0.0.9") as proxy:
            assert exchange(stranger, header + b"x") == header + b"x"
            assert exchange(proxy, header + b"x") == b"x"
            proxy.send(header[:20])
            wait_until(lambda: nginy.listener("front")["datagrams"]["dropped"] == {"proxy_header": 1}, "counted")
            assert is_silent(proxy, 0.02)


@pytest.mark.netns
def test_transparent_pool_sends_from_the_address_and_port_of_the_client() -> None:
    command = ["unshare", "--net", sys.executable, "-m", "tests.tools.transparent_house"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout or "[]")
    assert len(seen) == 10, done.stdout + done.stderr
    for place, said in seen:
        assert said == f"b {place}|who am I?"


@pytest.mark.netns
def test_clients_with_link_local_addresses_are_answered_on_their_link() -> None:
    command = ["unshare", "--net", sys.executable, "-m", "tests.tools.link_local_house"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    keys = ("tuple", "source", "bytes", "behind another")
    assert json.loads(done.stdout) == dict.fromkeys(keys, "hello")
