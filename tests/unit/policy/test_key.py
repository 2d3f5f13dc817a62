"""Key: what a choice goes by, and what stands in where a visit has no such key."""

import socket

import pytest
from nginy._fast.testpolicy import Chooser

from nginy._fast import door
from nginy._fast.choices import Visit

from .rows import backend, block, key, pool

SOURCE = socket.inet_aton("192.0.2.7")
LOCAL = socket.inet_pton(socket.AF_INET6, "2001:db8::1")


def visit(**changes):
    known = dict(
        ip=SOURCE, port=4711, local_ip=LOCAL, local_port=443, listener_hash=7, name=b"a.example",
        received=b"token-1 rest",
    )
    return Visit(**known | changes)


def chooser(**conf):
    return Chooser(block([backend(i) for i in range(64)], pools=[pool(policy="source_hash", key=key(**conf))]))


PORT = (4711).to_bytes(2, "little")
ADDRESS = SOURCE + bytes(12) + b"\4"
KINDS = [
    (dict(kind="session"), ADDRESS),
    (dict(kind="source"), ADDRESS),
    (dict(kind="tuple"), ADDRESS + PORT),
    (dict(kind="destination"), LOCAL + b"\6" + (443).to_bytes(2, "little")),
    (dict(kind="sni"), b"a.example"),
    (dict(kind="listener"), bytes([7, 0, 0, 0, 0, 0, 0, 0])),
    (dict(kind="constant", value=b"blue"), b"blue"),
    (dict(kind="bytes", offset=6, n_bytes=1), b"1"),
]


@pytest.mark.parametrize("conf, expected", KINDS, ids=lambda conf: conf["kind"] if isinstance(conf, dict) else "")
def test_key_of_each_kind_is_what_it_says(conf, expected):
    assert chooser(**conf).key_of(0, visit())[0] == expected


@pytest.mark.parametrize(
    "conf, other",
    [
        (dict(kind="source"), dict(ip=socket.inet_aton("192.0.2.8"))),
        (dict(kind="tuple"), dict(port=4712)),
        (dict(kind="destination"), dict(local_port=444)),
        (dict(kind="destination"), dict(local_ip=SOURCE)),
        (dict(kind="sni"), dict(name=b"b.example")),
        (dict(kind="listener"), dict(listener_hash=8)),
        (dict(kind="bytes", offset=6, n_bytes=1), dict(received=b"token-2 rest")),
    ],
    ids=str,
)
def test_key_alone_decides(conf, other):
    """What the key does not say changes nothing; what it says moves clients."""
    over = chooser(**conf)
    assert over.key_of(0, visit())[1] != over.key_of(0, visit(**other))[1]
    everything = dict(
        ip=bytes(16), port=1, local_ip=b"", local_port=1, listener_hash=1, name=b"z", received=b"another", session=b"s"
    )
    said = {
        "source": {"ip"}, "tuple": {"ip", "port"}, "destination": {"local_ip", "local_port"}, "sni": {"name"},
        "listener": {"listener_hash"}, "bytes": {"received"},
    }[conf["kind"]]
    rest = {name: value for name, value in everything.items() if name not in said}
    assert over.key_of(0, visit())[1] == over.key_of(0, visit(**rest))[1]
    assert over.choose(0, visit=visit()) == over.choose(0, visit=visit(**rest))


def test_constant_key_sends_everybody_to_one_backend():
    over = chooser(kind="constant", value=b"blue")
    assert len({over.choose(0, visit=visit(ip=bytes([10, 0, 0, i]), port=i)) for i in range(50)}) == 1


def test_session_key_of_udp_is_taken_when_it_is_there():
    over = chooser(kind="session")
    assert over.key_of(0, visit(session=b"id-1"))[0] == b"id-1"
    assert over.key_of(0, visit(session=b""))[0] == ADDRESS


@pytest.mark.parametrize(
    "conf, lacking",
    [
        (dict(kind="sni"), dict(name=b"")),
        (dict(kind="destination"), dict(local_ip=b"")),
        (dict(kind="bytes", offset=8, n_bytes=8), dict(received=b"too short")),
        (dict(kind="quic_cid", cid_bytes=8), dict(received=b"\x40tiny")),
    ],
    ids=str,
)
def test_visit_without_the_key_goes_by_its_address(conf, lacking):
    over = chooser(**conf)
    bare, by_source = over.key_of(0, visit(**lacking))
    assert bare == b""
    assert by_source == chooser(kind="source").key_of(0, visit())[1]
    assert len({over.choose(0, visit=visit(ip=bytes([10, 0, 0, i]), **lacking)) for i in range(50)}) > 20


def test_connection_id_is_found_in_both_headers():
    over = chooser(kind="quic_cid", cid_bytes=8)
    cid = bytes(range(8))
    short = over.key_of(0, visit(received=b"\x40" + cid + b"rest"))
    long = over.key_of(0, visit(received=b"\xc0\0\0\0\1\x08" + cid + b"rest"))
    assert short == long
    assert short[0] == cid


def test_unix_client_has_a_key_too():
    over = chooser(kind="source")
    assert len(over.key_of(0, visit(ip=b""))[0]) == 17
    assert over.choose(0, visit=visit(ip=b"")) >= 0


@pytest.mark.parametrize("changes", [dict(n_bytes=33), dict(value=bytes(33))])
def test_key_that_does_not_fit_is_refused(changes):
    with pytest.raises(ValueError, match="32 fit"):
        chooser(kind="constant", **changes)


def test_kind_out_of_range_is_refused_by_the_reader():
    with pytest.raises(ValueError, match="not sound"):
        Chooser(block([backend(0)], pools=[pool(key=_key_of_no_kind())]))


def _key_of_no_kind():
    row = key()
    row.kind = len(door.KEYS)
    return row
