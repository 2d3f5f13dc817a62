"""Writing heads as tests do it, and what a head means: what must be the same behind a writer."""

import ctypes
from typing import Any

from nginy._fast import testwire
from tests.tools.guarded import Guarded
from tests.unit.wire.heads import GET, KINDS, NO_BODY, Reader

CLOSE, KEEP_ALIVE, UPGRADE = range(1, 4)
ROOM = 1 << 16


class Writer:
    """Writes into exactly as much room as it needs, in front of an unreadable page."""

    def __init__(self, place: Guarded) -> None:
        self._place = place

    def write(self, call: Any, wire: bytes, told: dict[str, Any], *more: int) -> bytes:
        rewrite = testwire.Rewrite(**told)
        n = call(wire, rewrite, self._place.put(bytes(ROOM)), ROOM, *more)
        assert n > 0
        address = self._place.put(bytes(n))
        assert call(wire, rewrite, address, n, *more) == n
        written = ctypes.string_at(address, n)
        assert call(wire, rewrite, self._place.put(bytes(n - 1)), n - 1, *more) == 0
        return written

    def request(self, wire: bytes, **told: Any) -> bytes:
        return self.write(testwire.write_request, wire, told)

    def response(self, wire: bytes, method: int = GET, **told: Any) -> bytes:
        return self.write(testwire.write_response, wire, told, method)


def told_of(head: dict[str, Any]) -> dict[str, Any]:
    """What keeps a head's meaning on the next connection."""
    return {
        "connection": UPGRADE if head["is_upgrade"] else 0 if head["is_kept"] else CLOSE,
        "takes_trailers": head["takes_trailers"],
    }


MEANING = ("body", "body_bytes", "is_kept", "is_upgrade", "is_expecting", "takes_trailers", "has_length", "method")
WRITTEN_ANEW = (KINDS["Host"], KINDS["Content-Length"])
PLACE = ("method_name", "path", "query", "host")


def meaning(head: dict[str, Any], *names: str) -> dict[str, Any]:
    """What must be the same behind a writer: all but spelling."""
    fields = [field[:3] for field in head["fields"] if not field[3] and field[2] not in WRITTEN_ANEW]
    if head["body"] == NO_BODY:
        fields = [field for field in fields if field[2] != KINDS["Trailer"]]
    said = {name: head[name] for name in (*MEANING, *names)} | {"fields": fields}
    if head["is_upgrade"]:  # a writer says that alone
        del said["is_kept"]
    return said


def check_request_again(reader: Reader, writer: Writer, wire: bytes) -> None:
    """Written, it is read as the same, and written as the same once more."""
    _, head = reader.request(wire)
    assert head is not None
    if not head["host"]:
        return
    written = writer.request(wire, **told_of(head))
    code, again = reader.request(written)
    assert again is not None and code == len(written)
    assert meaning(again, *PLACE) == meaning(head, *PLACE)
    assert writer.request(written, **told_of(again)) == written


def check_response_again(reader: Reader, writer: Writer, wire: bytes, method: int) -> None:
    """The same for a response."""
    _, head = reader.response(wire, method)
    assert head is not None
    written = writer.response(wire, method, **told_of(head))
    code, again = reader.response(written, method)
    assert again is not None and code == len(written)
    assert meaning(again, "status", "reason") == meaning(head, "status", "reason")
    assert writer.response(written, method, **told_of(again)) == written
