"""Requests in the access log. What clients say is written so that no reader can be led astray: one line each."""

import re
import time
from typing import Any, NamedTuple

from nginy._fast.door import OWN, REASONS
from nginy.observe.fields import Field, iso_time, json_line

CUT = "…"
"""Behind a text of which only the beginning was kept."""
NOT_PLAIN = re.compile(rb'[^ !#-\[\]-~]')
CLIENT_LEFT = 499
"""What nginx writes where there was no response because the client had left."""
LEFT_REASONS = frozenset(map(REASONS.index, ("front_reset", "client_gone")))


class RequestLine(NamedTuple):
    """A record of door.Board.read_requests with its names already looked up."""

    record: tuple[Any, ...]
    listener: str
    pool: str | None
    backend: str | None


def request_fields(line: RequestLine) -> list[Field]:
    """The fields of one request, in the order they are written."""
    (
        ended_ms, _, _, client, bytes_in, bytes_out, connect_us, duration_us, attempts, reason, _, route, status, own,
        first_us, minor, is_reused, cuts, *texts, request_id,
    ) = line.record  # fmt: skip
    method, host, target, agent, referer = (text_of(text, cuts >> nth & 1) for nth, text in enumerate(texts))
    return [
        ("time", iso_time(ended_ms)),
        ("listener", line.listener),
        ("protocol", "http"),
        ("client", client),
        ("method", method),
        ("host", host),
        ("path", target),
        ("version", f"1.{minor}" if method else None),
        ("status", status or None),
        ("own", None if own < 0 else OWN[own] if own < len(OWN) else f"own_{own}"),
        ("route", None if route < 0 else f"routes[{route}]"),
        ("pool", line.pool),
        ("backend", line.backend),
        ("bytes_in", bytes_in),
        ("bytes_out", bytes_out),
        ("connect_ms", connect_us / 1000 if connect_us else None),
        ("first_byte_ms", None if first_us < 0 else first_us / 1000),
        ("duration_ms", duration_us / 1000),
        ("attempts", attempts),
        ("reused", is_reused),
        ("agent", agent),
        ("referer", referer),
        ("request_id", request_id),
        ("reason", REASONS[reason] if reason < len(REASONS) else f"reason_{reason}"),
    ]


def request_json(line: RequestLine) -> str:
    """ASCII alone: what moves a terminal's cursor or writes from right to left stands escaped."""
    return json_line(request_fields(line), is_ascii=True)


def text_of(text: bytes, is_cut: int) -> str | None:
    """What a client said, None for nothing. Bytes that are no UTF-8 stand as `\\xff`."""
    if not text:
        return None
    # half a character at the cut is none
    said = text.decode("utf-8", "ignore" if is_cut else "backslashreplace")
    return said + CUT if is_cut else said


def render_combined(line: RequestLine) -> str:
    """NCSA combined, as nginx writes it; the cut mark is no byte that a client could have there."""
    ended_ms, client, bytes_out, reason, status = (line.record[nth] for nth in (0, 3, 5, 9, 12))
    minor, cuts, method, _, target, agent, referer = line.record[15:16] + line.record[17:23]
    address = client if client.startswith("unix:") else client.rpartition(":")[0].strip("[]")
    if not status and reason in LEFT_REASONS:
        status = CLIENT_LEFT
    request = b""
    if method:
        request = escaped(method, cuts & 1) + b" " + escaped(target, cuts >> 2 & 1) + b" HTTP/1.%d" % minor
    said = [part.decode() or "-" for part in (request, escaped(referer, cuts >> 4 & 1), escaped(agent, cuts >> 3 & 1))]
    return f'{address} - - [{local_time(ended_ms)}] "{said[0]}" {status:03d} {bytes_out} "{said[1]}" "{said[2]}"'


def escaped(text: bytes, is_cut: int) -> bytes:
    """As `escape=default` of nginx: quotes, backslashes, controls and what is no ASCII as `\\xHH`."""
    plain = NOT_PLAIN.sub(lambda found: b"\\x%02X" % ord(found[0]), text)
    return plain + CUT.encode() if is_cut else plain


def local_time(wall_ms: int) -> str:
    """`31/Jan/2026:12:00:00 +0000`: UTC, with English months in any locale."""
    moment = time.gmtime(wall_ms // 1000)
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * moment.tm_mon - 3 : 3 * moment.tm_mon]
    return time.strftime(f"%d/{month}/%Y:%H:%M:%S +0000", moment)
