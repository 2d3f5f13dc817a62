"""The seam for policies written in Python: five hooks, what they are told, and what they answer.

A policy is a class. One object of it serves one pool, in one thread, and its hooks are never called twice at
once (an async `choose` may be waiting several times at once). Only `choose` has to be there:

    class Pick:
        def build(self, backends): ...              a new set of backends: a sequence of Backend
        def start(self, context): ...               a visit begins -> state, kept for its retries
        def choose(self, context, attempt): ...     -> one of the backends, its id, or None
        def release(self, backend, outcome): ...    an attempt, or the session it led to, is over
        def observe(self, response): ...            for HTTP, in a later version

With `start`, `choose` gets what it returned in place of the context. `choose` may be async. Where it is late,
raises, or names nobody that may be used, the pool's `fallback` chooses: no session fails.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "connected": "the backend took the connection",
        "refused": "the backend's host answered that nobody listens",
        "timeout": "no answer within timeouts.connect",
        "unreachable": "the network said that there is no way to it",
        "reset": "the connection was reset before it was established",
        "local_error": "nginy itself was short of descriptors, memory or source ports",
        "self_connect": "the kernel joined the socket to itself: nobody listens there",
        "abandoned": "the client left, or a stop came, before it was known",
    }
)
"""How one attempt to reach a backend ended. Counted per backend; the kind of an Outcome whose attempt failed."""

UNUSED = "unused"
"""The kind of an Outcome whose choice came too late, or could not be used: no attempt was made."""

FAILURES = frozenset(("refused", "timeout", "unreachable", "reset", "self_connect", "back_reset", "connect_failed"))


@dataclass(slots=True, eq=False)
class Backend:
    """One backend of the pool. The same object as long as its id lives, whatever `build` brings.

    id: stable across generations.   address: `host:port`, literal.   tier: serves while no lower one has a usable
    backend.   is_usable: ready, not known to be down, weight above 0, as of the last health check.
    """

    id: int
    address: str
    weight: int = 1
    tier: int = 0
    is_usable: bool = True
    _count: Callable[[int], int] = field(default=lambda _: 0, repr=False)

    @property
    def in_flight(self) -> int:
        """Sessions on it now, over all workers; asked for at every look."""
        return self._count(self.id)


class Context(Protocol):
    """What is known about a visit when a backend is chosen."""

    @property
    def source(self) -> str:
        """`ip:port` of the client; empty for a unix socket."""

    @property
    def source_ip(self) -> str: ...
    @property
    def source_port(self) -> int: ...
    @property
    def destination(self) -> str:
        """`ip:port` that the client asked; empty where it is not known."""

    @property
    def listener(self) -> str:
        """Name of the listener."""

    @property
    def server_name(self) -> str:
        """Of a TLS hello that a preread has seen, in lower case; empty else."""

    @property
    def alpn(self) -> tuple[str, ...]:
        """Protocols that the hello offers, such as `h2`, in its order; those of more than 128 bytes are left out."""

    @property
    def first_bytes(self) -> bytes:
        """First bytes of a preread, or of the datagram; at most 432 with the server name's and the protocols'."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A context by hand, for tests and simulations."""

    source: str = "192.0.2.1:1024"
    destination: str = ""
    listener: str = ""
    server_name: str = ""
    first_bytes: bytes = b""
    alpn: tuple[str, ...] = ()

    @property
    def source_ip(self) -> str:
        return self.source.rpartition(":")[0].strip("[]")

    @property
    def source_port(self) -> int:
        return int(self.source.rpartition(":")[2] or 0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a backend that was chosen for a visit.

    kind: a key of OUTCOMES for an attempt that failed, a reason such as `closed` for a session that was
    there, UNUSED.   is_own: the policy named this backend, not its fallback.   is_last: the visit is over.
    state: what `start` returned.   connect_s, session_s: seconds; connect_s 0 for a session that never was.
    """

    kind: str
    is_own: bool = True
    is_last: bool = True
    state: Any = None
    connect_s: float = 0.0
    session_s: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def is_success(self) -> bool:
        """The backend did its part; an attempt that nobody made tells nothing against it."""
        return self.kind not in FAILURES


@runtime_checkable
class Extractor(Protocol):
    """A class that says what a policy by key goes by: `key: {kind: call, call: "mypkg.keys:Extract"}`."""

    def key(self, context: Context) -> "Key | Awaitable[Key]":
        """-> the key; text counts as its UTF-8 bytes, a number as its digits. None or empty: the default key."""


Key = bytes | str | int | None
Chosen = Backend | int | None


@runtime_checkable
class Policy(Protocol):
    """The one hook that a policy must have; the others as the head of this module shows them."""

    def choose(self, context: Any, attempt: int) -> Chosen | Awaitable[Chosen]:
        """-> the backend for attempt 0, 1, ...; None leaves it to the fallback."""


@runtime_checkable
class Building(Protocol):
    def build(self, backends: Sequence[Backend]) -> None:
        """All backends of the pool, in configured order. Called before it is asked, and when the set changes."""


@runtime_checkable
class Starting(Protocol):
    def start(self, context: Context) -> Any:
        """A visit begins. -> what `choose` gets in place of the context, and `release` as `outcome.state`."""


@runtime_checkable
class Releasing(Protocol):
    def release(self, backend: Backend, outcome: Outcome) -> None:
        """An attempt, or the session it led to, is over. May be left out under great load."""
