"""aioquic: clients whose address changes while they are connected."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartNginy
from tests.tools.configs import udp_config
from tests.tools.quic import CID_BYTES, SERVER_ID_AT, QuicBackend, ask, make_certificate, quic_client
from tests.tools.relays import Rebinding

BIG_BYTES = 200_000
SERVER_IDS = {b"a": b"\x0a\x01", b"b": b"\x0a\x02"}
KEY = {"kind": "quic_cid", "length": CID_BYTES}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For all servers of the file."""
    return make_certificate(tmp_path_factory.mktemp("quic"))


@pytest.fixture
def quic_servers(certificate: Path) -> Iterator[list[QuicBackend]]:
    """Two, that encode their own id in their connection ids."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(QuicBackend(name, certificate, SERVER_IDS[name])) for name in (b"a", b"b")]


def config(quic_servers: list[QuicBackend], key: Any, workers: int = 2) -> Any:
    session = {"key": key, "idle": "3s"}
    return udp_config([server.address for server in quic_servers], workers=workers, session=session)


def test_requests_and_answers_of_many_packets_pass(
    start_nginy: StartNginy, quic_servers: list[QuicBackend], certificate: Path, seed: int
) -> None:
    nginy = start_nginy(config(quic_servers, KEY))
    port = int(nginy.address().rpartition(":")[2])
    big = random.Random(seed).randbytes(BIG_BYTES)

    async def names() -> list[bytes]:
        found = []
        for _ in range(4):
            async with quic_client(port, certificate) as client:
                found.append(await ask(client, big))
        return found

    assert sorted(asyncio.run(names())) == [b"a", b"a", b"b", b"b"]
    assert nginy.listener("front")["datagrams"]["dropped"] == {}


def test_a_client_whose_port_changes_stays_connected_to_its_server(
    start_nginy: StartNginy, quic_servers: list[QuicBackend], certificate: Path
) -> None:
    """The turns would lead each new flow to the other server."""
    nginy = start_nginy(config(quic_servers, KEY))

    async def moving(relay: Rebinding) -> list[bytes]:
        found = []
        async with quic_client(relay.port, certificate) as client:
            for number in range(5):
                found.append(await ask(client, b"question %d" % number))
                before = relay.seen_as
                relay.move()
                assert relay.seen_as != before
            found.append(await ask(client, b"last"))
        return found

    met = set()
    for _ in range(2):
        with Rebinding(nginy.address()) as relay:
            found = asyncio.run(moving(relay))
            assert len(set(found)) == 1, found
            met.add(found[0])
    assert met == {b"a", b"b"}
    assert nginy.listener("front")["sessions"] == 12, "each port had a flow of its own"


def test_a_fresh_id_from_a_new_address_reaches_the_server_that_is_encoded_in_it(
    start_nginy: StartNginy, quic_servers: list[QuicBackend], certificate: Path
) -> None:
    map_ = {server.server_id.hex(): server.address for server in quic_servers}
    key = KEY | {"server": {"offset": SERVER_ID_AT, "length": 2, "map": map_}}
    nginy = start_nginy(config(quic_servers, key))

    async def moving(relay: Rebinding) -> list[bytes]:
        found = []
        async with quic_client(relay.port, certificate) as client:
            for number in range(2, 8):
                found.append(await ask(client, b"question %d" % number))
                relay.move(f"127.0.0.{number}")
                before = client._quic._peer_cid.cid
                client.change_connection_id()
                assert client._quic._peer_cid.cid != before
            found.append(await ask(client, b"last"))
        return found

    met = set()
    for _ in range(2):
        with Rebinding(nginy.address()) as relay:
            found = asyncio.run(moving(relay))
            assert len(set(found)) == 1, found
            met.add(found[0])
    assert met == {b"a", b"b"}
