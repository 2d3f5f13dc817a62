"""What only HTTP counts, of listeners and of pools: requests, responses by class, nginy's own by reason, and times."""

from typing import TYPE_CHECKING, Any

from nginy._fast.door import OWN, SPAN_BUCKETS_S
from nginy.observe.source import Counters, ListenerPicture, PoolPicture

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
    sheet.add("nginy_http_rates_forgotten", (name,), counters["rates_forgotten"])


def fill_pool_requests(sheet: "Sheet", pool: PoolPicture) -> None:
    """Put one pool on the sheet; nothing where no HTTP listener leads to it."""
    counters, name = pool.requests, pool.name
    if counters is None:
        return
    for kind, count in zip(CLASSES, counters["responses"], strict=True):
        sheet.add("nginy_http_pool_responses", (name, kind), count)
    sheet.add("nginy_http_pool_own_responses", (name,), counters["own"])
    sheet.add("nginy_http_pool_unanswered", (name,), counters["unanswered"])
    sheet.add("nginy_http_pool_cut", (name,), counters["cut"])
    sheet.add("nginy_http_pool_retries", (name,), counters["retried"])
    sheet.add("nginy_http_pool_reuses", (name,), counters["reused"])
    sheet.add("nginy_http_pool_bytes", (name, "in"), counters["bytes_in"])
    sheet.add("nginy_http_pool_bytes", (name, "out"), counters["bytes_out"])
    for event, count in counters["sticky"].items():
        sheet.add("nginy_http_pool_sticky", (name, event), count)
    sheet.add("nginy_http_pool_loads_refused", (name,), counters["loads_refused"])
    for family, span in (("nginy_http_pool_first_byte_seconds", "first"), ("nginy_http_pool_request_seconds", "total")):
        total_s = counters[f"{span}_us_sum"] / 1e6
        sheet.histogram(family, (name,), SPAN_BUCKETS_S, counters[f"{span}_hist"], total_s)


def request_tree(listener: ListenerPicture) -> dict[str, Any] | None:
    """The same as JSON values, without zeros in mappings. None where no HTTP is spoken."""
    counters = listener.requests
    if counters is None:
        return None
    return {
        "requests": counters["requests"],
        "responses": by_class(counters),
        "own": {reason: count for reason, count in zip(OWN, counters["own"], strict=True) if count},
        "retried": counters["retried"],
        "reused": counters["reused"],
        "rates_forgotten": counters["rates_forgotten"],
    }


def pool_request_tree(pool: PoolPicture) -> dict[str, Any] | None:
    """The same of one pool; None where no HTTP listener leads to it."""
    counters = pool.requests
    if counters is None:
        return None
    more: dict[str, Any] = {"sticky": dict(counters["sticky"])} if any(counters["sticky"].values()) else {}
    if counters["loads_refused"]:
        more["loads_refused"] = counters["loads_refused"]
    plain = ("own", "unanswered", "cut", "retried", "reused", "bytes_in", "bytes_out")
    return {"responses": by_class(counters)} | {key: counters[key] for key in plain} | more


def by_class(counters: Counters) -> dict[str, int]:
    """Responses by class, without zeros."""
    return {kind: count for kind, count in zip(CLASSES, counters["responses"], strict=True) if count}
