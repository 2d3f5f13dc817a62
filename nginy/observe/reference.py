"""The tables of docs/admin.md; `python -m nginy.observe.reference docs/admin.md` makes them anew."""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from nginy._fast.door import OUTCOMES, OWN, REASONS
from nginy.observe.datagrams import DROP_REASONS
from nginy.observe.families import FAMILIES

REASON_MEANINGS: Mapping[str, str] = {
    "closed": "Both sides ended cleanly. UDP: all answers were there, or none was expected.",
    "front_reset": "The client reset the connection, or vanished.",
    "back_reset": "The backend reset the connection, or vanished.",
    "idle": "No byte in either direction for `timeouts.idle`; UDP: no datagram for `session.idle`.",
    "half_close_timeout": "One side had finished; no byte in the other direction for `timeouts.half_close`.",
    "connect_failed": "No candidate could be connected to; the last one refused or was unreachable.",
    "connect_timeout": "No candidate could be connected to; the last one did not answer in time.",
    "no_backend": "No backend of the pool was usable.",
    "backends_full": "Every usable backend was at its `max_conns`.",
    "session_limit": "The listener was at its `limits.sessions`.",
    "slab_full": "The worker had no session slot left.",
    "no_descriptor": "No descriptor or memory for the connection to the backend.",
    "no_port": "No source port left towards the backend.",
    "client_gone": "The client left before a backend was connected.",
    "backend_down": "The backend went down and its pool says `on_down: reset`.",
    "drain_deadline": "Cut when the time to drain was over.",
    "stopped": "Cut by an immediate stop.",
    "worker_died": "The worker died; control counted its sessions.",
    "evicted": "UDP: the table was full, and this was the oldest flow that no backend had answered.",
    "backend_removed": "UDP: its backend is no longer in the pool.",
    "preread_timeout": "The first bytes that `preread` waits for did not come within its `timeout`.",
    "no_route": "No route for the server name of the TLS hello, or for none, and none for the rest.",
    "body_too_large": "HTTP: the body of a request was more than `limits.body`, and its response had begun.",
    "handshake_failed": "TLS: the handshake failed; `nginy_tls_handshake_failures` says how.",
    "handshake_timeout": "TLS: the handshake was not over within `timeouts.handshake`.",
    "request_timeout": "HTTP: `timeouts.request` was over, and the response had begun.",
}
DROP_MEANINGS: Mapping[str, str] = {
    "kernel": "The receive queue of the listener's socket was full; raise `udp.rcvbuf`, or add workers.",
    "table_full": "`session.max` was reached, and a backend has answered every flow there is.",
    "session_limit": "The listener was at its `limits.sessions`.",
    "no_backend": "No backend of the pool was usable.",
    "backends_full": "Every usable backend was at its `max_conns`.",
    "no_descriptor": "No descriptor or memory for a socket to the backend.",
    "no_port": "No source port left towards the backend.",
    "refused": "The port of every candidate was closed (ICMP).",
    "source_flows": "The client address was at `limits.flows_per_source`.",
    "source_rate": "The client address was over `limits.flow_rate_per_source`.",
    "flow_rate": "`limits.flow_rate` was used up.",
    "datagram_rate": "`limits.datagram_rate` was used up.",
    "bandwidth": "`limits.bandwidth` was used up.",
    "send_full": "The sending socket's buffer was full, twice.",
    "send_nobufs": "The kernel had no memory to send it.",
    "send_error": "It could not be sent: too large for the way, not permitted, or no route.",
    "unexpected": "An answer that no flow waits for.",
    "proxy_header": "A PROXY header of a trusted sender that cannot be read.",
    "loop": "It came from one of nginy's own sockets towards backends.",
    "truncated": "It was longer than a datagram can be.",
    "draining": "It would have begun a flow on a listener that is being drained.",
}
OUTCOME_MEANINGS: Mapping[str, str] = {
    "connected": "The connection was opened.",
    "refused": "The backend refused it.",
    "timeout": "No answer within `timeouts.connect`.",
    "unreachable": "No way to the backend's host or network.",
    "reset": "Reset while it was being opened.",
    "local_error": "A shortage of ours: descriptors, memory or source ports.",
    "self_connect": "The kernel joined the socket to itself; the port is not served.",
    "abandoned": "The client left, or a stop came, before it was known.",
}


OWN_MEANINGS: Mapping[str, str] = {
    "bad_request": "400: the request can be read in two ways, or in none. The connection ends.",
    "no_route": "404: no route, and no pool for the rest.",
    "method_refused": "405: `CONNECT`.",
    "head_timeout": "408: the head did not come within `timeouts.head`. The connection ends.",
    "head_too_long": "431: a head of more than `limits.head` (16 KiB) or `limits.fields` (128). The connection ends.",
    "back_reset": "502: the backend's connection ended before its response began; the request was not to be repeated.",
    "bad_response": "502: the backend's response can be read in two ways, or in none.",
    "connect_failed": "502: every candidate refused the connection.",
    "no_backend": "503: nobody usable in the pool.",
    "backends_full": "503: every usable backend was at its `max_conns`.",
    "no_descriptor": "503: no descriptor or memory for a connection to the backend.",
    "no_port": "503: no source port left towards the backend.",
    "no_buffer": "503: all buffers were lent; raise `runtime.buffers`.",
    "connect_timeout": "504: the last candidate did not answer within `timeouts.connect`.",
    "response_timeout": "504: no byte of the response within `timeouts.response`, or none of the request taken.",
    "bad_version": "505: neither HTTP/1.0 nor HTTP/1.1. The connection ends.",
    "unclear_path": "400: servers read the path differently, and the routes differ with it.",
    "responded": "The status of a route's `respond`.",
    "redirected": "The status of a route's `redirect`.",
    "target_too_long": "414: a target of more than `limits.target`.",
    "body_too_large": "413: a body of more than `limits.body`, as its length or its chunks say.",
    "request_rate": "429 with `Retry-After`: more requests of one client than `limits.request_rate`.",
    "body_timeout": "408: no byte of a body within `timeouts.body`. The connection ends.",
    "request_timeout": "504: no response began within `timeouts.request`.",
}


def metrics_table() -> str:
    """All metrics as a Markdown table."""
    rows = (
        (f"`{family.exposed}`", family.kind, ", ".join(map("`{}`".format, family.labels)), family.meaning)
        for family in FAMILIES
    )
    return _table(("metric", "kind", "labels", "meaning"), rows)


def reasons_table() -> str:
    """All end reasons. Errors: KeyError for one without a meaning."""
    return _table(("reason", "meaning"), ((f"`{name}`", REASON_MEANINGS[name]) for name in REASONS))


def outcomes_table() -> str:
    """All outcomes of an attempt to connect. Errors: KeyError for one without a meaning."""
    return _table(("outcome", "meaning"), ((f"`{name}`", OUTCOME_MEANINGS[name]) for name in OUTCOMES))


def drops_table() -> str:
    """All reasons for which datagrams are dropped. Errors: KeyError for one without a meaning."""
    return _table(("reason", "meaning"), ((f"`{name}`", DROP_MEANINGS[name]) for name in DROP_REASONS))


def own_table() -> str:
    """All reasons for which nginy answers itself. Errors: KeyError for one without a meaning."""
    return _table(("reason", "meaning"), ((f"`{name}`", OWN_MEANINGS[name]) for name in OWN))


def renewed(text: str) -> str:
    """The page with its tables made anew. Errors: ValueError when one has no place in it."""
    tables = {
        "metrics": metrics_table(),
        "reasons": reasons_table(),
        "outcomes": outcomes_table(),
        "drops": drops_table(),
        "own": own_table(),
    }
    for name, table in tables.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, count = place.subn(lambda found, table=table: found[1] + table + found[2], text)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the page needs <!-- {name} --> … <!-- /{name} --> once")
    return text


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text()))
