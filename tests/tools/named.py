"""Backends that say their one-letter names, and which of them a new client meets."""

from tests.tools.nginy_process import Nginy
from tests.tools.sockets import connect, recv_exact

NAMES = "abcdefgh"


def who(nginy: Nginy, source: str | None = None, listener: str = "front") -> str:
    """The name of the backend that answers a new client at this listener."""
    with connect(nginy.address(listener), source=source) as sock:
        return recv_exact(sock, 2).decode().strip()
