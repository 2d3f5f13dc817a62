"""Sites from Python: what nginy.site is made of, and the look-up of a worker for requests that are made up."""

from collections.abc import Mapping, Sequence

from nginy.site.parts import Parts

ACTIONS: Mapping[str, int]
AT_MOST: int
BYTES_MOST: int
CONDS: Mapping[str, int]
CONDS_MOST: int
EDITS: Mapping[str, int]
HOST_MOST: int
METHODS: Mapping[str, int]
NONE: int
NO_ROUTE: int
PATH_MOST: int
PATTERNS_MOST: int
ROUTES_MOST: int
STATES_MOST: int
UNCLEAR: int
VARIABLES: Mapping[str, int]

def is_authority(text: bytes) -> bool: ...
def pack(parts: Parts) -> bytes: ...
def pack_edit(kind: int, name: bytes, value: bytes = b"") -> bytes: ...

class Request:
    def __init__(
        self,
        host: bytes = b"",
        path: bytes = b"/",
        query: bytes = b"",
        method: str = "GET",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None: ...

class Site:
    def __init__(self, block: bytes) -> None: ...
    def find(self, request: Request) -> tuple[int, int]: ...
    def pool(self, route: int, turn: int = 0) -> int: ...
    def target(self, request: Request) -> bytes: ...
    def location(self, request: Request, is_tls: bool = False, room: int = 8192) -> bytes | None: ...
