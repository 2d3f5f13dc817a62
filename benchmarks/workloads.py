"""What is asked of a proxy: each workload is one kind of traffic with one unit of work."""

from dataclasses import dataclass

GB = 1e9


@dataclass(frozen=True)
class Workload:
    """One row of the table.

    `mode` names a mode of the load generator; a unit is what CPU time is divided by.
    """

    key: str
    title: str
    mode: str
    clients: int
    unit: str
    scale: float
    cpu_unit: str
    message_bytes: int = 64
    compares: tuple[str, ...] = ("haproxy", "nginx", "nginy")

    def units_of(self, counts: dict[str, int]) -> float:
        """Units of work in what the load generator counted."""
        if self.unit == "GB":
            return counts["bytes"] / GB
        return float(counts["units"])


_BULK = ("haproxy", "haproxy splice-auto", "haproxy splice", "nginx", "nginy")
_CLOSING = ("haproxy", "nginx", "nginx half_close off", "nginy", "nginy half_close off")

ALL: tuple[Workload, ...] = (
    Workload("connect", "new connection, 64 B each way, close; 64 at a time", "CONNECT", 64,
             "connection", 1e6, "µs", compares=_CLOSING),
    Workload("ping64", "round trip 64 B, 64 kept connections", "PING", 64, "round trip", 1e6, "µs"),
    Workload("ping1000", "round trip 64 B, 1,000 kept connections", "PING", 1000, "round trip", 1e6, "µs"),
    Workload("ping1", "round trip 64 B, 1 kept connection", "PING", 1, "round trip", 1e6, "µs"),
    Workload("down1", "bulk to the client, 1 stream", "DOWN", 1, "GB", 1.0, "s", compares=_BULK),
    Workload("down16", "bulk to the client, 16 streams", "DOWN", 16, "GB", 1.0, "s", compares=_BULK),
    Workload("both1", "bulk both ways, 1 stream", "BOTH", 1, "GB", 1.0, "s", compares=_BULK),
    Workload("both16", "bulk both ways, 16 streams", "BOTH", 16, "GB", 1.0, "s", compares=_BULK),
)  # fmt: skip


def named(keys: list[str]) -> list[Workload]:
    """The workloads with these keys, or all. Raises ValueError for an unknown key."""
    known = {workload.key: workload for workload in ALL}
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise ValueError(f"unknown workload {', '.join(unknown)}; known: {', '.join(known)}")
    return [known[key] for key in keys] if keys else list(ALL)
