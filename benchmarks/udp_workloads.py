"""What is asked of a proxy over UDP: each workload is one kind of traffic with one unit of work."""

from dataclasses import dataclass, replace

PEERS = ("nginx", "pen", "nginy")
DATAGRAM, QUERY = "datagram", "query"
QUERIES_UNDER_WAY = 64
QUERY_CLIENTS = 8192
BATCHED = 64
PACED_RATE = 100_000


@dataclass(frozen=True)
class UdpWorkload:
    """One kind of traffic.

    base: the proxy that ratios are taken to.   mode, run, window, rate, is_segmented, has_gro: of the load generator.
    unit: what CPU time is divided by; every unit that the load counts is `datagrams` of them.   scale: turns seconds
    into cpu_unit.
    """

    key: str
    title: str
    mode: str
    clients: int
    compares: tuple[str, ...] = PEERS
    base: str = "nginx"
    message_bytes: int = 64
    run: int = 1
    window: int = 256
    rate: float = 0.0
    is_segmented: bool = False
    has_gro: bool = False
    unit: str = DATAGRAM
    datagrams: int = 1
    scale: float = 1e6
    cpu_unit: str = "µs"

    @property
    def settled_least(self) -> int:
        """How many clients must have got through before anything is measured."""
        return min(self.window, self.clients) if self.mode == "QUERY" else self.clients

    def units_of(self, counts: dict[str, int]) -> float:
        """Units of work in what the load generator counted."""
        return float(counts["units"] * self.datagrams)


def echoes(clients: int) -> UdpWorkload:
    """Closed loop: one datagram under way for each client; there and back are two datagrams."""
    title = f"UDP echo 64 B, {clients:,} client{'s' if clients > 1 else ''} with one datagram under way each"
    return UdpWorkload("udp-echo1000" if clients == 1000 else f"udp-echo{clients}", title, "ECHO", clients, datagrams=2)


def runs(key: str, message_bytes: int) -> UdpWorkload:
    """One way, as fast as the backends count: runs of 32 back to back, from one client after the other."""
    title = f"UDP one way, runs of 32 x {message_bytes:,} B from one of {BATCHED} clients after the other"
    return UdpWorkload(key, title, "RUNS", BATCHED, message_bytes=message_bytes, run=32)


def paced(key: str, rate: float) -> UdpWorkload:
    """One way at a fixed rate, whatever comes of it: runs of 4 from one client after the other."""
    title = f"UDP one way, runs of 4 x 64 B from one of 1,000 clients, {rate:,.0f} datagrams a second"
    return UdpWorkload(key, title, "PACED", 1000, run=4, rate=rate)


LATENCY = UdpWorkload(
    "udp-latency1", "UDP echo 64 B, one client with one datagram under way", "ECHO", 1,
    ("direct", "nginx", "pen", "nginy"), datagrams=2,
)  # fmt: skip
SEGMENTED = UdpWorkload(
    "udp-gso", f"UDP one way, runs of 32 x 1,200 B sent as one (UDP_SEGMENT), from one of {BATCHED} clients", "RUNS",
    BATCHED, ("nginx", "pen", "nginy", "nginy gro on"), message_bytes=1200, run=32, is_segmented=True,
)  # fmt: skip
SEGMENTED_TWICE = replace(
    SEGMENTED, key="udp-gso-gro", title=f"{SEGMENTED.title}; backends receive runs in one (UDP_GRO)", has_gro=True
)
QUERIES = UdpWorkload(
    "udp-dns", f"DNS query of 40 B and answer of 120 B, a new source port each time, {QUERIES_UNDER_WAY} under way",
    "QUERY", QUERY_CLIENTS, ("nginx dns", "pen", "nginy dns", "nginy dns reuse off"), "nginx dns",
    window=QUERIES_UNDER_WAY, unit=QUERY,
)  # fmt: skip
CAPACITY = paced("udp-capacity", PACED_RATE)
ROWS: tuple[UdpWorkload, ...] = (
    echoes(1000),
    runs("udp-runs32", 64),
    runs("udp-runs32-1200", 1200),
    paced("udp-paced", PACED_RATE),
    SEGMENTED,
    SEGMENTED_TWICE,
)
ALL: tuple[UdpWorkload, ...] = (*ROWS, QUERIES, CAPACITY, LATENCY)
