"""One DNS query and its answer, as far as a check needs them: RFC 1035, section 4.1.

Header and question only. An answer has to repeat the question, so comparing the bytes tells all that is asked here, and
no name is ever decompressed.
"""

import struct
from typing import NamedTuple

from nginy.backend.result import CheckError

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "HTTPS": 65,
    "CAA": 257,
}  # fmt: skip
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_HEADER = struct.Struct("!HHHHHH")  # id, flags, questions, answers, authorities, additional records
_RECURSION_DESIRED = 0x0100
_IS_ANSWER = 0x8000
_OPCODE, _RCODE = 0x7800, 0x000F
_CLASS_IN = 1


class DnsQuery(NamedTuple):
    """id: 16 bits, one that nobody can guess.   question: as it stands in the query."""

    id: int
    question: bytes

    def encode(self) -> bytes:
        """The payload of its datagram."""
        return _HEADER.pack(self.id, _RECURSION_DESIRED, 1, 0, 0, 0) + self.question


def make_query(id: int, name: str, type: str) -> DnsQuery:
    """name: ASCII, with or without the final dot.

    Errors: KeyError for an unknown type, ValueError for a name that is none.
    """
    labels = [label.encode("ascii") for label in name.removesuffix(".").split(".")] if name != "." else []
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is not a name: each part has 1 to 63 characters")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return DnsQuery(id, encoded + struct.pack("!HH", TYPES[type], _CLASS_IN))


def read_rcode(query: DnsQuery, answer: bytes) -> str | None:
    """The response code of an answer to this query; None for a datagram that is none, such as a late answer to another.

    Errors: CheckError for an answer with its id that answers something else.
    """
    if len(answer) < _HEADER.size:
        return None
    id, flags, n_questions, *_ = _HEADER.unpack_from(answer)
    if id != query.id or not flags & _IS_ANSWER:
        return None
    rcode = flags & _RCODE
    # a server that could not or would not read the question may leave it out
    is_bare = n_questions == 0 and rcode != 0
    if flags & _OPCODE or not (is_bare or _repeats(query, answer, n_questions)):
        raise CheckError("dns: the answer is for another question")
    return RCODES[rcode] if rcode < len(RCODES) else f"code {rcode}"


def _repeats(query: DnsQuery, answer: bytes, n_questions: int) -> bool:
    found = answer[_HEADER.size : _HEADER.size + len(query.question)]
    # names are alike in any case; type and class, all zeros and small numbers, stay as they are
    return n_questions == 1 and found.lower() == query.question.lower()
