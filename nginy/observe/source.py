"""Control as the observers see it: an immutable picture and a few facts.

Structural types only, nothing to run.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

Counters = Mapping[str, Any]


class WorkerPicture(Protocol):
    """One worker slot."""

    @property
    def slot(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def adopted_gen(self) -> int: ...
    @property
    def sessions(self) -> int: ...
    @property
    def deaths(self) -> int: ...
    @property
    def counters(self) -> Counters: ...


class ListenerPicture(Protocol):
    """One listener, summed over all workers."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def bind(self) -> Sequence[str]: ...
    @property
    def pool(self) -> str: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def protocol(self) -> str: ...
    @property
    def datagrams(self) -> Counters | None: ...
    @property
    def receive_bytes(self) -> int: ...
    @property
    def pools(self) -> Sequence[str]: ...
    @property
    def requests(self) -> Counters | None: ...
    @property
    def handshakes(self) -> Counters | None: ...


class BackendPicture(Protocol):
    """One address of a pool, summed over all workers."""

    @property
    def id(self) -> int: ...
    @property
    def address(self) -> str: ...
    @property
    def resolved(self) -> str: ...
    @property
    def weight(self) -> int: ...
    @property
    def tier(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def last_check(self) -> str | None: ...
    @property
    def counters(self) -> Counters: ...


class PoolPicture(Protocol):
    """One pool with its backends."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def policy(self) -> str: ...
    @property
    def backends(self) -> Sequence[BackendPicture]: ...
    @property
    def choices(self) -> Counters | None: ...
    @property
    def members(self) -> Sequence[tuple[str, int]]: ...
    @property
    def requests(self) -> Counters | None: ...


class PolicyProcessPicture(Protocol):
    """The process that runs policies in Python."""

    @property
    def pid(self) -> int: ...
    @property
    def replaced(self) -> Mapping[str, int]: ...


class Picture(Protocol):
    """Everything at one instant; safe to read from any thread."""

    @property
    def certificates(self) -> Mapping[str, float]: ...
    @property
    def state(self) -> str: ...
    @property
    def generation(self) -> int: ...
    @property
    def started_s(self) -> float: ...
    @property
    def uptime_s(self) -> float: ...
    @property
    def workers(self) -> Sequence[WorkerPicture]: ...
    @property
    def listeners(self) -> Sequence[ListenerPicture]: ...
    @property
    def pools(self) -> Sequence[PoolPicture]: ...
    @property
    def policy_process(self) -> PolicyProcessPicture: ...


class AccessBoard(Protocol):
    """The part of the board that the access log reads."""

    @property
    def slots(self) -> int: ...
    def read_access(self, slot: int, max_n: int = ...) -> list[tuple[Any, ...]]: ...


class ConfigShape(Protocol):
    """The configuration, as far as the observers need it."""

    @property
    def pools(self) -> Mapping[str, Any]: ...


class Source(Protocol):
    """Control. view() belongs to its loop's thread."""

    @property
    def generation(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def board(self) -> AccessBoard: ...
    @property
    def config(self) -> ConfigShape: ...
    def view(self) -> Picture: ...


def wary_pools(config: ConfigShape) -> frozenset[str]:
    """Names of pools whose checks start as down: an unknown backend gets no sessions there."""
    return frozenset(
        name for name, pool in config.pools.items() if pool.health is not None and pool.health.start == "down"
    )


def is_usable(backend: BackendPicture, is_wary: bool) -> bool:
    """Would new sessions be sent there? is_wary: an unknown verdict counts as down."""
    verdicts = ("up",) if is_wary else ("up", "unknown")
    return backend.state == "ready" and backend.verdict in verdicts and backend.weight > 0


def count_usable(pool: PoolPicture, wary: Collection[str]) -> int:
    """Usable backends of a pool. wary: as wary_pools says."""
    is_wary = pool.name in wary
    return sum(is_usable(backend, is_wary) for backend in pool.backends)
