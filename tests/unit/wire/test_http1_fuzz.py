"""Heads and bodies at random: nobody reads beyond the bytes, byte by byte is whole, written is read as the same.

What is accepted is given to h11 as well, as nginy writes it, and h11 reads the same message. FUZZ_EXAMPLES=n: as many
as that instead of 1,500.
"""

import os
import random
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.guarded import Guarded
from tests.unit.wire import test_chunk as chunks
from tests.unit.wire import test_http1_refused as refused
from tests.unit.wire import test_http1_request as requests
from tests.unit.wire import test_http1_response as responses
from tests.unit.wire.heads import (
    CHUNKED,
    CONNECT,
    GET,
    HEAD,
    LENGTH,
    Reader,
    pass_body,
    refusals_by_cut,
    request,
)
from tests.unit.wire.meaning import Writer, check_request_again, check_response_again, told_of

N_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1500"))
LONGEST = 1500  # every cut of it is read

REQUESTS = [wire for wire, _ in requests.GOOD.values()] + [wire for wire, _ in refused.BAD.values()]
RESPONSES = [wire for wire, _, _ in responses.GOOD.values()] + [wire for wire, _, _ in responses.BAD.values()]
BODIES = [wire for wire, _, _ in chunks.GOOD.values()] + [wire for wire, _ in chunks.BAD.values()]
BITS = [
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b",", b";", b"?", b"#", b"/", b"0", b"5", b"f", b"\xff", b"\x7f",
    b"@", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: a\r\n", b"Connection: x\r\n",
    b"X: 1\r\n", b" y\r\n", b"HTTP/1.0", b"HTTP/1.1", b"http://a", b"*", b"_", b"-", b"\r\n\r\n", b"0\r\n\r\n",
    b"100-continue", b"upgrade", b"close",
]  # fmt: skip


def mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    """A few cuts, repeats, insertions and changes of one or two of them."""
    wire = chance.choice(corpus)
    if chance.random() < 0.3:
        other = chance.choice(corpus)
        wire = wire[: chance.randrange(len(wire) + 1)] + other[chance.randrange(len(other) + 1) :]
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 5))):
        at = chance.randrange(len(wire) + 1)
        end = min(len(wire), at + chance.choice((0, 0, 1, 1, 2, 8)))
        new = chance.choice((chance.choice(BITS), bytes([chance.randrange(256)]), wire[at:end] * 2, b""))
        wire = wire[:at] + new + wire[end:]
    return wire[:LONGEST]


def check_cuts(read: Any, wire: bytes) -> int:
    """Each beginning of it, read anew and as what came after the last one; what the whole gives."""
    codes = refusals_by_cut(read, wire)
    at = next((n for n, code in enumerate(codes) if code), len(codes))
    assert set(codes[at:]) <= {codes[-1]}, "an answer changed"
    slow = next((code for n in range(1, len(wire) + 1) if (code := read(wire[:n], n - 1).code)), 0)
    assert slow in (codes[-1], 0)
    assert slow == codes[-1] or codes[-1] < 0 and b"\n\r\n" not in wire[:-1] and b"\n\n" not in wire
    return codes[-1]


def check_by_h11(written: bytes, head: dict[str, Any]) -> None:
    """Another reader takes the same message from what nginy wrote."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 17)
    connection.receive_data(written)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    assert event.method == head["method_name"]
    named = dict(event.headers)
    assert named[b"host"] == head["host"]
    assert named.get(b"content-length") == (b"%d" % head["body_bytes"] if head["body"] == LENGTH else None)
    assert (b"transfer-encoding" in named) == (head["body"] == CHUNKED)
    ours = [(name.lower(), value) for name, value, _, is_hop in head["fields"] if not is_hop]
    own = {b"host", b"content-length", b"transfer-encoding", b"connection", b"te", b"upgrade", b"trailer"}
    theirs = list(event.headers)
    assert [field for field in theirs if field[0] not in own] == [field for field in ours if field[0] not in own]


def check_request(reader: Reader, writer: Writer, wire: bytes) -> bool:
    code = check_cuts(reader.request, wire)
    if code <= 0:
        return False
    wire = wire[:code]
    check_request_again(reader, writer, wire)
    _, head = reader.request(wire)
    assert head is not None
    if head["host"] and head["method"] != CONNECT:
        check_by_h11(writer.request(wire, **told_of(head)), head)
    return True


def check_response(reader: Reader, writer: Writer, wire: bytes, method: int) -> bool:
    def read(given: bytes, n_seen: int = 0) -> Any:
        return reader.response(given, method, n_seen)

    code = check_cuts(read, wire)
    if code > 0:
        check_response_again(reader, writer, wire[:code], method)
    return code > 0


@pytest.fixture
def chance(seed: int) -> random.Random:
    return random.Random(seed)


def test_requests_at_random(reader: Reader, writer: Writer, chance: random.Random) -> None:
    n = sum(check_request(reader, writer, mutated(chance, REQUESTS)) for _ in range(N_EXAMPLES))
    assert N_EXAMPLES // 20 < n < N_EXAMPLES, "the examples are all alike"


def test_responses_at_random(reader: Reader, writer: Writer, chance: random.Random) -> None:
    methods = (GET, GET, HEAD, CONNECT)
    n = sum(
        check_response(reader, writer, mutated(chance, RESPONSES), chance.choice(methods)) for _ in range(N_EXAMPLES)
    )
    assert N_EXAMPLES // 20 < n < N_EXAMPLES, "the examples are all alike"


def test_bodies_at_random(page: Guarded, chance: random.Random) -> None:
    n = 0
    for _ in range(N_EXAMPLES):
        wire = mutated(chance, BODIES)
        whole = pass_body(page, [wire])
        assert pass_body(page, chunks.one_by_one(wire)) == whole
        expected = chunks.plain(wire)
        assert whole == expected if expected else not whole.is_done
        if whole.is_done:
            n += 1
            assert pass_body(page, [whole.out]) == (len(whole.out), whole.out, True)
    assert N_EXAMPLES // 50 < n < N_EXAMPLES, "the examples are all alike"


LINES = st.lists(st.one_of(st.sampled_from(BITS), st.binary(max_size=6)), max_size=8).map(b"".join)


@settings(deadline=None)
@given(LINES, LINES)
def test_request_of_any_bytes_passes_the_oracles(reader: Reader, writer: Writer, start: bytes, fields: bytes) -> None:
    check_request(reader, writer, request(fields))
    check_request(reader, writer, request(fields, b"GET /" + start + b" HTTP/1.1"))
    check_request(reader, writer, start + fields)
