"""Pictures of a control that does not run, made of the real view's classes."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from nginy._fast import door
from nginy.control.view import BackendView, ListenerView, PoolView, View, WorkerView

BUCKETS = len(door.CONNECT_BUCKETS_S) + 1


def listener_counters(**given: Any) -> dict[str, Any]:
    """One listener's row, all zeros but what is given."""
    zeros = {"accepted": 0, "live": 0, "bytes_in": 0, "bytes_out": 0, "reasons": (0,) * len(door.REASONS)}
    return zeros | given


def backend_counters(**given: Any) -> dict[str, Any]:
    """One backend's row."""
    zeros = {"sessions": 0, "live": 0, "bytes_in": 0, "bytes_out": 0, "connect_us_sum": 0}
    return zeros | {"outcomes": (0,) * len(door.OUTCOMES), "connect_hist": (0,) * BUCKETS} | given


def worker_counters(**given: Any) -> dict[str, Any]:
    """One worker's row."""
    board = door.Board(door.board_create(1), 1)
    try:
        return {**board.worker(0), **given}
    finally:
        board.close()


def worker(slot: int = 0, **given: Any) -> WorkerView:
    """A worker that serves."""
    plain = WorkerView(slot, 100 + slot, "serving", 1, 0, 0, worker_counters())
    return replace(plain, **given)


def backend(address: str = "10.0.0.1:80", **given: Any) -> BackendView:
    """A backend that is up."""
    plain = BackendView(1, address, address, 1, 0, "ready", "up", None, backend_counters())
    return replace(plain, **given)


def udp_counters(**given: Any) -> dict[str, Any]:
    """What a UDP listener counts besides."""
    board = door.Board(door.board_create(1), 1)
    try:
        return {**board.udp(0), **given}
    finally:
        board.close()


def http_counters(**given: Any) -> dict[str, Any]:
    """What an HTTP listener counts besides."""
    board = door.Board(door.board_create(1), 1)
    try:
        return {**board.http(0), **given}
    finally:
        board.close()


def http_pool_counters(**given: Any) -> dict[str, Any]:
    """What is counted of a pool's requests."""
    board = door.Board(door.board_create(1), 1)
    try:
        return {**board.http_pool(0), **given}
    finally:
        board.close()


def tls_counters(**given: Any) -> dict[str, Any]:
    """What a listener with TLS counts besides."""
    board = door.Board(door.board_create(1), 1)
    try:
        return {**board.tls(0), **given}
    finally:
        board.close()


def http_listener(name: str = "site", **given: Any) -> ListenerView:
    """A listener for requests."""
    plain = listener(name, bind=("127.0.0.1:8080",), protocol="http", requests=http_counters())
    return replace(plain, **{"id": 2, **given})


def udp_listener(name: str = "dns", **given: Any) -> ListenerView:
    """A listener for datagrams."""
    plain = listener(name, bind=("127.0.0.1:53",), protocol="udp", datagrams=udp_counters(), receive_bytes=4096)
    return replace(plain, **{"id": 1, **given})


def pool_counters(**given: Any) -> dict[str, Any]:
    """What a policy in Python was asked for one pool."""
    board = door.Board(door.board_create(1), 1)
    try:
        return {**board.pool(0), **given}
    finally:
        board.close()


def pool(name: str = "api", *backends: BackendView) -> PoolView:
    """A pool; one backend that is up unless given."""
    return PoolView(0, name, "round_robin", backends or (backend(),))


def listener(name: str = "web", pool_name: str = "api", **given: Any) -> ListenerView:
    """A listener on a port."""
    plain = ListenerView(0, name, ("127.0.0.1:80",), pool_name, listener_counters(), pools=(pool_name,))
    return replace(plain, **given)


def view(**given: Any) -> View:
    """A nginy that serves: one worker, one listener, one pool, one backend."""
    plain = View("serving", 1, 1_700_000_000.0, 3.5, (worker(),), (listener(),), (pool(),))
    return replace(plain, **given)


@dataclass
class Source:
    """Stands where control would."""

    picture: View = field(default_factory=view)
    board: Any = None
    config: Any = field(default_factory=lambda: SimpleNamespace(pools={}))

    @property
    def generation(self) -> int:
        return self.picture.generation

    @property
    def state(self) -> str:
        return self.picture.state

    @property
    def addresses(self) -> dict[str, list[str]]:
        return {listener.name: ["127.0.0.1:32768"] for listener in self.picture.listeners}

    def view(self) -> View:
        return self.picture
