"""One DNS query and what counts as its answer, byte by byte."""

import contextlib
import random

import pytest

from nginy.backend.dnsquery import RCODES, TYPES, make_query, read_rcode
from nginy.backend.result import CheckError

from .datagram_peers import dns_answer

QUERY = make_query(0xBEEF, "www.Example.org.", "A")
SENT = QUERY.encode()


def test_a_query_is_a_header_and_one_question() -> None:
    assert SENT == b"\xbe\xef\1\0\0\1\0\0\0\0\0\0" + b"\3www\7Example\3org\0" + b"\0\1\0\1"


def test_the_root_is_a_name_without_parts() -> None:
    assert make_query(1, ".", "NS").question == b"\0\0\2\0\1"


@pytest.mark.parametrize(
    ("type", "number"),
    [("A", 1), ("NS", 2), ("CNAME", 5), ("SOA", 6), ("PTR", 12), ("MX", 15), ("TXT", 16), ("AAAA", 28), ("SRV", 33),
     ("HTTPS", 65), ("CAA", 257)],
)  # fmt: skip
def test_types_have_the_numbers_of_the_registry(type: str, number: int) -> None:
    assert int.from_bytes(make_query(1, "a", type).question[-4:-2], "big") == number
    assert len(TYPES) == 11


@pytest.mark.parametrize("name", ["a..b", "", "x" * 64, "ä.org"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        make_query(1, name, "A")


@pytest.mark.parametrize("code", range(16))
def test_the_code_of_an_answer_is_named(code: int) -> None:
    assert read_rcode(QUERY, dns_answer(SENT, code)) == (RCODES[code] if code < 6 else f"code {code}")


def test_case_of_the_name_does_not_matter() -> None:
    assert read_rcode(QUERY, dns_answer(SENT, question=QUERY.question.lower())) == "NOERROR"


def test_records_behind_the_question_do_not_matter() -> None:
    assert read_rcode(QUERY, dns_answer(SENT) + b"\xc0\x0c" + bytes(500)) == "NOERROR"


@pytest.mark.parametrize("code", range(1, 6))
def test_an_error_without_a_question_is_an_answer(code: int) -> None:
    assert read_rcode(QUERY, dns_answer(SENT, code, count=b"\0\0", question=b"")) == RCODES[code]


@pytest.mark.parametrize(
    "changed",
    [
        {"question": b""},
        {"question": QUERY.question[:-1]},
        {"question": b"\3www\7Example\3net\0\0\1\0\1"},
        {"question": QUERY.question[:-4] + b"\0\x1c\0\1"},
        {"question": QUERY.question[:-4] + b"\0\1\0\3"},
        {"count": b"\0\0", "question": b""},
        {"count": b"\0\2"},
        {"flags": b"\x88\x80"},
    ],
)
def test_an_answer_to_another_question_is_an_error(changed: dict[str, bytes]) -> None:
    with pytest.raises(CheckError, match="another question"):
        read_rcode(QUERY, dns_answer(SENT, **changed))


def test_our_own_query_and_another_id_are_no_answers() -> None:
    assert read_rcode(QUERY, SENT) is None
    assert read_rcode(QUERY, dns_answer(SENT, id=b"\xbe\xee")) is None


def test_no_datagram_makes_it_fail_otherwise() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    whole = dns_answer(SENT)
    for _ in range(5000):
        broken = bytearray(whole[: rng.randrange(len(whole) + 1)])
        for _ in range(rng.randrange(3)):
            if broken:
                broken[rng.randrange(len(broken))] = rng.randrange(256)
        with contextlib.suppress(CheckError):
            read_rcode(QUERY, bytes(broken))
