"""One client's HTTP/1.1 exchange: bounded heads, no bodies, a deadline for every wait."""

import asyncio
import contextlib
from http import HTTPStatus
from typing import NamedTuple

import h11

HEAD_MAX_BYTES = 16 * 1024
READ_BYTES = 16 * 1024
HEAD_TIMEOUT_S = 5.0
IDLE_TIMEOUT_S = 90.0
SEND_TIMEOUT_S = 30.0
LINGER_TIMEOUT_S = 1.0
LINGER_MAX_BYTES = 256 * 1024
TEXT = "text/plain; charset=utf-8"
FIXED_HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)


class Ask(NamedTuple):
    """What of a request matters here. Header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]


class Answer(NamedTuple):
    """One response before it is framed."""

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class BadAskError(Exception):
    """A request that gets an error answer and the end of the connection."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status.phrase)
        self.answer = answer


def text_answer(status: HTTPStatus, text: str, *headers: tuple[str, str]) -> Answer:
    """A plain text answer with a line end."""
    return Answer(status, TEXT, f"{text}\n".encode("utf-8", "replace"), headers)


class Exchange:
    """Reads requests and writes answers in turn. Borrows the streams."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        head_timeout_s: float = HEAD_TIMEOUT_S,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
    ) -> None:
        """head_timeout_s: for a whole head, from its first byte.   idle_timeout_s: until that byte comes."""
        self._reader = reader
        self._writer = writer
        self._head_timeout_s = head_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX_BYTES)
        self._method = b""

    async def read(self) -> Ask | None:
        """The next request; None when the client is gone.

        Errors: BadAskError for a broken head or one that announces a body; TimeoutError; OSError.
        """
        try:
            return await self._read_ask()
        except h11.RemoteProtocolError as failure:
            raise BadAskError(text_answer(HTTPStatus(failure.error_status_hint), str(failure))) from failure

    async def send(self, answer: Answer, *, is_last: bool = False) -> bool:
        """Write one answer.

        -> may another request follow? Errors: TimeoutError for a client that does not read.
        """
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        headers += [*FIXED_HEADERS, *answer.headers]
        if is_last:
            headers.append(("Connection", "close"))
        head = h11.Response(status_code=answer.status, headers=headers, reason=answer.status.phrase.encode())
        body = b"" if self._method == b"HEAD" else answer.body
        events: list[h11.Event] = [head, h11.Data(data=body), h11.EndOfMessage()]
        self._writer.write(b"".join(self._connection.send(event) or b"" for event in events))
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._writer.drain()
        if is_last:
            await self._linger()
            return False
        return self._begin_next()

    async def _read_ask(self) -> Ask | None:
        event = self._connection.next_event()
        if event is h11.NEED_DATA:
            if not await self._feed(self._idle_timeout_s):
                return None
            event = self._connection.next_event()
        async with asyncio.timeout(self._head_timeout_s):
            while event is h11.NEED_DATA:
                if not await self._feed(None):
                    return None
                event = self._connection.next_event()
        if not isinstance(event, h11.Request):
            return None
        self._method = event.method
        if not isinstance(self._connection.next_event(), h11.EndOfMessage):
            raise BadAskError(text_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no body is taken here"))
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
        return Ask(event.method.decode("ascii"), event.target.decode("latin-1"), headers)

    async def _feed(self, timeout_s: float | None) -> bool:
        async with asyncio.timeout(timeout_s):
            chunk = await self._reader.read(READ_BYTES)
        self._connection.receive_data(chunk)
        return bool(chunk)

    async def _linger(self) -> None:
        """Take what is still under way: closing on unread bytes would reset the answer away."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        left_bytes = LINGER_MAX_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_TIMEOUT_S):
                while left_bytes > 0 and (chunk := await self._reader.read(READ_BYTES)):
                    left_bytes -= len(chunk)

    def _begin_next(self) -> bool:
        if self._connection.our_state is not h11.DONE or self._connection.their_state is not h11.DONE:
            return False
        self._connection.start_next_cycle()
        return True
