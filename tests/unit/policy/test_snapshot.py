"""Snapshot: a block is taken whole or not at all."""

import random
import struct

import pytest

from nginy._fast import door, sites
from nginy.site.build import Rule, build
from nginy.site.parts import Action

from .rows import backend, block, http, listener, pool, socket_row


def test_block_round_trips_generation_and_meta():
    packed = block([backend(0)], gen=7, meta=b'{"names": []}')
    assert door.verify_snapshot(packed) == 7
    assert door.snapshot_meta(packed) == b'{"names": []}'


def test_every_flipped_bit_is_noticed():
    packed = block([backend(0), backend(1, tier=1)], sockets=[socket_row()], meta=b"notes")
    for at in range(len(packed)):
        broken = bytearray(packed)
        broken[at] ^= 1 << (at % 8)
        with pytest.raises(ValueError, match="snapshot"):
            door.verify_snapshot(bytes(broken))


def test_routes_of_http_are_looked_at_by_themselves():
    site = build([Rule(Action(sites.ACTIONS["pool"], 0, pools=((0, 1),)), path="/a")])
    assert door.verify_snapshot(routed(site, site)) == 1
    for at in range(len(site)):
        broken = bytearray(site)
        broken[at] ^= 1 << (at % 8)
        with pytest.raises(ValueError, match="points outside itself"):
            door.verify_snapshot(routed(site, bytes(broken)))
    with pytest.raises(ValueError, match="points outside itself"):
        door.verify_snapshot(routed(site[:-8]))


def routed(*blocks):
    rows = [listener(number, http=http(block=one)) for number, one in enumerate(blocks)]
    return block([backend(0)], listeners=rows)


def test_every_truncation_is_noticed():
    packed = block([backend(0)])
    for n in range(len(packed)):
        with pytest.raises(ValueError):
            door.verify_snapshot(packed[:n])


def test_garbage_is_refused():
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(200):
        with pytest.raises(ValueError):
            door.verify_snapshot(rng.randbytes(rng.randrange(600)))


@pytest.mark.parametrize(
    "rows",
    [
        dict(backends=[backend(0), backend(0)]),
        dict(backends=[backend(0, pool=3)]),
        dict(backends=[backend(65535)]),
        dict(backends=[backend(0, weight=65536)]),
        dict(backends=[backend(0)], listeners=[listener(1024)]),
        dict(backends=[backend(0)], pools=[pool(0), pool(0)]),
        dict(backends=[backend(0)], sockets=[socket_row(65536)]),
        dict(backends=[backend(0)], listeners=[listener(retries=8)]),
    ],
)
def test_rows_out_of_range_are_refused(rows):
    with pytest.raises(ValueError):
        block(rows.pop("backends"), **rows)


def test_thousand_backends_pack_and_verify():
    packed = block([backend(i, weight=1 + i % 7, tier=i % 3) for i in range(1000)])
    assert door.verify_snapshot(packed) == 1


@pytest.mark.parametrize("address", ["127.0.0.1:80", "[::1]:443", "[fe80::1]:1"])
def test_addresses_round_trip(address):
    host, port = address.rsplit(":", 1)
    assert door.format_sockaddr(door.pack_sockaddr(host.strip("[]"), int(port))) == address


def test_unix_address_round_trips_and_is_bounded():
    assert door.format_sockaddr(door.pack_sockaddr_unix("/run/a.sock")) == "unix:/run/a.sock"
    with pytest.raises(ValueError, match="107"):
        door.pack_sockaddr_unix("/" + "x" * 107)


@pytest.mark.parametrize("host", ["example.org", "1.2.3", "", "::g"])
def test_names_are_not_addresses(host):
    with pytest.raises(ValueError):
        door.pack_sockaddr(host, 80)


def test_messages_round_trip_and_refuse_fragments():
    message = door.pack_message(door.MSG_SOCKETS, 1, 2**63, [3, 4])
    assert door.unpack_message(message) == (door.MSG_SOCKETS, 1, 2**63, (3, 4))
    for n in range(len(message)):
        with pytest.raises(ValueError):
            door.unpack_message(message[:n])
    with pytest.raises(ValueError):
        door.unpack_message(struct.pack("=IHHQQ", 1, 1, 0, 0, 0))
    with pytest.raises(ValueError):
        door.pack_message(1, ids=range(65))
