"""Backends that say their one-letter names, and which of them a new client meets."""

from tests.tools.nginy_process import Nginy
from tests.tools.sockets import connect, recv_exact

NAMES = "abcdefgh"


def who(nginy: Nginy, source: str | None = None) -> str:
    """The name of the backend that answers a new client at listener `front`."""
    with connect(nginy.address(), source=source) as sock:
        return recv_exact(sock, 2).decode().strip()
