"""Requests that servers have read in two ways: refused and the connection closed, or passed on in one form."""

import re
from collections.abc import Iterator

import pytest

from tests.conftest import check_end
from tests.flow.test_http import http_config
from tests.tools import leaks
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer
from tests.tools.readings import LAST, MARK_READING, Recorder, send_through
from tests.tools.smuggling import CANONICAL, KNOWN, REFUSED
from tests.tools.sockets import connect, read_to_end
from tests.tools.web import Stream

OURS = re.compile(rb"(?i)\r\n(x-forwarded-[a-z]+|x-request-id|forwarded|via|traceparent):[^\r]*")


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def nginy(recorder: Recorder) -> Iterator[Nginy]:
    with Peer(recorder.serve) as peer:
        nginy = Nginy(http_config([peer.address]))
        try:
            nginy.start()
            rest = leaks.rest_of(nginy)
            yield nginy
            check_end(nginy, rest)
        finally:
            nginy.clean_up()


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_unclear_is_refused_and_nothing_behind_it_is_read(nginy: Nginy, recorder: Recorder, case: str) -> None:
    row = REFUSED[case]
    stream = SaidAndEnd(send_through(nginy.address(), row.wire))
    answer = stream.message()
    assert (answer.status, answer.get("connection"), stream.rest) == (row.status, "close", b"")
    assert (recorder.take(), recorder.complaints()) == ([], [])


class SaidAndEnd(Stream):
    """An answer that was read to its end."""

    def __init__(self, said: bytes) -> None:
        self.rest = said

    def more(self) -> bool:
        return False


def check_canonical(recorder: Recorder, expected: bytes) -> None:
    (_, wire), (mark, _) = recorder.take()
    assert (OURS.sub(b"", wire), mark, recorder.complaints()) == (expected, MARK_READING, [])


@pytest.mark.parametrize("case", CANONICAL)
def test_what_is_clear_goes_on_in_one_form(nginy: Nginy, recorder: Recorder, case: str) -> None:
    wire, expected = CANONICAL[case]
    send_through(nginy.address(), wire)
    check_canonical(recorder, expected)
    with connect(nginy.address()) as sock:
        for at in range(len(wire)):
            sock.sendall(wire[at : at + 1])
        sock.sendall(LAST)
        read_to_end(sock)
    check_canonical(recorder, expected)


def test_every_known_trick_has_its_rows() -> None:
    assert {row for rows in KNOWN.values() for row in rows} <= set(REFUSED) | set(CANONICAL)
