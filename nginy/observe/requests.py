"""What only HTTP listeners count: requests, statuses of backends, and responses of our own by their reason."""

from typing import TYPE_CHECKING, Any

from nginy._fast.door import OWN
from nginy.observe.source import ListenerPicture

if TYPE_CHECKING:
    from nginy.observe.sheet import Sheet

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


def fill_requests(sheet: "Sheet", listener: ListenerPicture) -> None:
    """Put one listener on the sheet; nothing where no HTTP is spoken."""
    counters, name = listener.requests, listener.name
    if counters is None:
        return
    sheet.add("nginy_http_requests", (name,), counters["requests"])
    for kind, count in zip(CLASSES, counters["responses"], strict=True):
        sheet.add("nginy_http_responses", (name, kind), count)
    for reason, count in zip(OWN, counters["own"], strict=True):
        sheet.add("nginy_http_own_responses", (name, reason), count)
    sheet.add("nginy_http_retries", (name,), counters["retried"])
    sheet.add("nginy_http_reuses", (name,), counters["reused"])


def request_tree(listener: ListenerPicture) -> dict[str, Any] | None:
    """The same as JSON values, without zeros in mappings. None where no HTTP is spoken."""
    counters = listener.requests
    if counters is None:
        return None
    return {
        "requests": counters["requests"],
        "responses": {kind: count for kind, count in zip(CLASSES, counters["responses"], strict=True) if count},
        "own": {reason: count for reason, count in zip(OWN, counters["own"], strict=True) if count},
        "retried": counters["retried"],
        "reused": counters["reused"],
    }
