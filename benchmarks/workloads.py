"""What is asked of a proxy: each workload is one kind of traffic with one unit of work."""

from dataclasses import dataclass, replace

GB = 1e9
PLAIN = ("haproxy", "nginx", "nginy")


@dataclass(frozen=True)
class Workload:
    """One kind of traffic.

    mode: of the load generator.   unit: what CPU time is divided by; `scale` turns seconds into cpu_unit.
    greedy: further clients that take all they can get.   congestion: another congestion control than the system's,
    for everybody, in a network of its own.
    """

    key: str
    title: str
    mode: str
    clients: int
    unit: str
    scale: float
    cpu_unit: str
    compares: tuple[str, ...] = PLAIN
    message_bytes: int = 64
    fetch_bytes: int = 0
    greedy: int = 0
    congestion: str = ""

    def units_of(self, counts: dict[str, int]) -> float:
        """Units of work in what the load generator counted; a transfer that is under way counts by its bytes."""
        if self.unit == "GB":
            return counts["bytes"] / GB
        if self.fetch_bytes:
            return counts["bytes"] / self.fetch_bytes
        return float(counts["units"])


_BULK = ("haproxy", "haproxy splice-auto", "haproxy splice", "nginx", "nginy", "nginy splice off")
_CLOSING = ("haproxy", "nginx", "nginx half_close off", "nginy", "nginy half_close off")
_CUBIC = ("haproxy", "haproxy splice-auto", "nginx", "nginy")


def connections(clients: int, compares: tuple[str, ...] = _CLOSING) -> Workload:
    """New connections all the time."""
    title = f"new connection, 64 B each way, close; {clients} at a time"
    return Workload("connect", title, "CONNECT", clients, "connection", 1e6, "µs", compares)


def round_trips(clients: int, compares: tuple[str, ...] = PLAIN) -> Workload:
    """Messages of 64 B there and back on kept connections."""
    title = f"round trip 64 B, {clients:,} kept connection{'s' if clients > 1 else ''}"
    return Workload(f"ping{clients}", title, "PING", clients, "round trip", 1e6, "µs", compares)


def transfers(size_bytes: int, clients: int) -> Workload:
    """Requests for so many bytes on kept connections."""
    title = f"request and answer of {size_bytes:,} B, {clients} kept connections"
    return Workload(f"fetch{size_bytes}", title, "FETCH", clients, "transfer", 1e6, "µs", fetch_bytes=size_bytes)


def _bulk(key: str, mode: str, streams: int) -> Workload:
    way = "bulk to the client" if mode == "DOWN" else "bulk both ways"
    title = f"{way}, {streams} stream{'s' if streams > 1 else ''}"
    return Workload(key, title, mode, streams, "GB", 1.0, "s", _BULK)


def with_cubic(workload: Workload) -> Workload:
    """The same for everybody with cubic."""
    title = f"{workload.title}, congestion control cubic"
    return replace(workload, key=f"{workload.key}-cubic", title=title, compares=_CUBIC, congestion="cubic")


BULK = (
    _bulk("down1", "DOWN", 1),
    _bulk("down16", "DOWN", 16),
    _bulk("both1", "BOTH", 1),
    _bulk("both16", "BOTH", 16),
)
MAIN: tuple[Workload, ...] = (
    connections(64),
    round_trips(64),
    round_trips(1000),
    round_trips(1, (*PLAIN, "nginy spin on")),
    *BULK,
)
CUBIC: tuple[Workload, ...] = tuple(with_cubic(workload) for workload in BULK)
