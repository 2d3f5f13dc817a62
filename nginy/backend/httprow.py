"""Listeners of HTTP to what workers read of them."""

from collections.abc import Callable

from nginy.backend.routing import to_ms
from nginy.backend.rows import CapsRow, HttpRow
from nginy.backend.sites import has_site, site_of
from nginy.model import Limits, Listener, RequestRate, Timeouts

_SECOND_NS = 10**9


def http_row(name: str, listener: Listener, pool_id: Callable[[str], int], workers: int) -> HttpRow:
    """What only an HTTP listener has. workers: among how many a rate is divided."""
    timeouts, limits = listener.timeouts, listener.limits
    return HttpRow(
        to_ms(timeouts.head),
        to_ms(timeouts.keep_alive),
        to_ms(timeouts.response),
        requests=limits.requests or 0,
        block=site_of(listener, pool_id, name) if has_site(listener) else b"",
        caps=_caps_row(limits, timeouts, workers),
    )


def _caps_row(limits: Limits, timeouts: Timeouts, workers: int) -> CapsRow:
    row = CapsRow(limits.head, limits.fields, min(limits.target or limits.head, limits.head), limits.body)
    row.body_ms = to_ms(timeouts.body)
    row.request_ms = to_ms(timeouts.request) if timeouts.request is not None else 0
    if limits.request_rate is not None:
        row.gap_ns, row.room_ns = _pace(limits.request_rate, workers)
    return row


def _pace(given: RequestRate, workers: int) -> tuple[int, int]:
    """One worker's share: the time between two requests, and how far ahead of it a client may be."""
    gap_ns = round(_SECOND_NS * workers / given.rate)
    at_once = -(-given.at_once // workers)
    return gap_ns, (at_once - 1) * gap_ns
