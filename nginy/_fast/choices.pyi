"""Choices: what a worker would choose, without a worker."""

from collections.abc import Sequence

from nginy._fast.sites import Request

TRIED_MOST: int

class Visit:
    """What is known of a client when its backend is chosen.

    ip, local_ip: 4 or 16 bytes in network order, or none.   name: server name of a TLS hello.   received: first
    bytes, or the payload of a datagram.   session: a UDP session's key; None where it is the address.
    request: of HTTP; None where there is none.
    Errors: ValueError.
    """

    def __init__(
        self,
        ip: bytes = b"",
        port: int = 0,
        *,
        local_ip: bytes = b"",
        local_port: int = 0,
        listener: int = 0,
        listener_hash: int = 0,
        name: bytes = b"",
        received: bytes = b"",
        session: bytes | None = None,
        request: Request | None = None,
    ) -> None: ...

class Choices:
    """One worker's chooser over one block. Owns copies of what it is given. For one thread.

    seed: of its random draws.   phase: where its rounds begin.   Errors: ValueError, MemoryError.
    """

    def __init__(self, block: bytes, seed: int = 1, phase: int = 0) -> None: ...
    def use(self, block: bytes) -> None: ...
    def adopt(self, table: bytes) -> None: ...
    def set_load(self, backend: int, ms: int) -> None: ...
    def note_spent(self, backend: int, us: int, now_ms: int) -> None: ...
    def set_in_flight(self, backend: int, n: int) -> None: ...
    def get_in_flight(self, backend: int) -> int: ...
    def distrust(self, backend: int, now_ms: int) -> None: ...
    def route(self, listener: int, visit: Visit) -> int | None: ...
    def choose(self, pool: int, visit: Visit, tried: Sequence[int] = (), now_ms: int = 1) -> int: ...
    def key_of(self, pool: int, visit: Visit) -> tuple[bytes, int]: ...
    def place_of(self, pool: int, visit: Visit) -> tuple[str, int, int, int] | None: ...
