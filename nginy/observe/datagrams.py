"""What only UDP listeners count: datagrams by direction, and why some of them were not passed on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nginy._fast.door import DROPS
from nginy.observe.source import Counters, ListenerPicture

if TYPE_CHECKING:
    from nginy.observe.sheet import Sheet

DIRECTIONS = ("from_clients", "to_backends", "from_backends", "to_clients")
CALLS: Mapping[str, str] = {"receive": "receives", "send": "sends"}
KERNEL = "kernel"
DROP_REASONS = (KERNEL, *DROPS)


def count_drops(counters: Counters) -> dict[str, int]:
    """All reasons with their counts, zeros included."""
    return dict(zip(DROP_REASONS, (counters["kernel_drops"], *counters["drops"]), strict=True))


def fill_datagrams(sheet: "Sheet", listener: ListenerPicture) -> None:
    """Put one listener on the sheet; nothing for TCP."""
    counters, name = listener.datagrams, listener.name
    if counters is None:
        return
    for direction in DIRECTIONS:
        sheet.add("nginy_datagrams", (name, direction), counters[direction])
    for reason, count in count_drops(counters).items():
        sheet.add("nginy_datagrams_dropped", (name, reason), count)
    for call, key in CALLS.items():
        sheet.add("nginy_datagram_calls", (name, call), counters[key])
    sheet.add("nginy_flows_assured", (name,), counters["assured"])
    sheet.add("nginy_receive_buffer_bytes", (name,), listener.receive_bytes)


def datagram_tree(listener: ListenerPicture) -> dict[str, Any] | None:
    """The same as JSON values: reasons without zeros. None for TCP."""
    counters = listener.datagrams
    if counters is None:
        return None
    return {
        **{direction: counters[direction] for direction in DIRECTIONS},
        "dropped": {reason: count for reason, count in count_drops(counters).items() if count},
        "flows_assured": counters["assured"],
        "receive_buffer_bytes": listener.receive_bytes,
    }
