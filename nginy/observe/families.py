"""The one list of metrics: name, kind, labels and meaning. docs/admin.md is generated from it."""

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]


class Family(NamedTuple):
    """One metric. A counter is exposed with `_total` behind its name."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str

    @property
    def exposed(self) -> str:
        """The name as a query uses it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


_LISTENER = ("listener",)
_BACKEND = ("pool", "backend", "address")
_WORKER = ("worker",)

FAMILIES: tuple[Family, ...] = (
    Family(
        "nginy_build_info", "gauge", ("version", "python", "layout"), "Always 1; the labels tell what runs."
    ),
    Family("nginy_start_time_seconds", "gauge", (), "When control started, seconds since the epoch."),
    Family("nginy_state", "gauge", ("state",), "1 for the state control is in, 0 for the others."),
    Family("nginy_config_generation", "gauge", (), "Generation that was published last."),
    Family(
        "nginy_config_reloads",
        "counter",
        ("result",),
        "Reloads by result: applied, unchanged (nothing to do), refused (nothing was changed).",
    ),
    Family("nginy_listener_sessions", "counter", _LISTENER, "Sessions accepted, or UDP flows begun."),
    Family("nginy_listener_sessions_live", "gauge", _LISTENER, "Sessions or flows open now."),
    Family(
        "nginy_listener_bytes",
        "counter",
        ("listener", "direction"),
        "Bytes relayed; in: from clients, out: to clients.",
    ),
    Family(
        "nginy_session_ends", "counter", ("listener", "reason"), "Sessions ended, by reason; one reason each."
    ),
    Family(
        "nginy_datagrams",
        "counter",
        ("listener", "direction"),
        "UDP: datagrams by direction: from_clients, to_backends, from_backends, to_clients.",
    ),
    Family(
        "nginy_datagrams_dropped",
        "counter",
        ("listener", "reason"),
        "UDP: datagrams that were not passed on, by reason.",
    ),
    Family(
        "nginy_datagram_calls",
        "counter",
        ("listener", "call"),
        "UDP: system calls by kind: receive, send. Datagrams per call tell how large batches are.",
    ),
    Family("nginy_http_requests", "counter", _LISTENER, "HTTP: requests whose head was understood."),
    Family(
        "nginy_http_responses", "counter", ("listener", "class"), "HTTP: responses of backends, by class: 1xx to 5xx."
    ),
    Family(
        "nginy_http_own_responses", "counter", ("listener", "reason"), "HTTP: responses of nginy's own, by reason."
    ),
    Family("nginy_http_retries", "counter", _LISTENER, "HTTP: requests sent once more, as the first try was lost."),
    Family(
        "nginy_http_reuses", "counter", _LISTENER, "HTTP: requests on a backend connection that had served before."
    ),
    Family(
        "nginy_http_pool_responses",
        "counter",
        ("pool", "class"),
        "HTTP: responses that clients got for requests to the pool, by class, nginy's own among them.",
    ),
    Family(
        "nginy_http_pool_own_responses", "counter", ("pool",), "HTTP: those of them that were nginy's own."
    ),
    Family(
        "nginy_http_pool_unanswered",
        "counter",
        ("pool",),
        "HTTP: requests to the pool that ended before a response began, mostly because the client left.",
    ),
    Family(
        "nginy_http_pool_cut", "counter", ("pool",), "HTTP: responses that ended before all of them was passed on."
    ),
    Family(
        "nginy_http_pool_retries", "counter", ("pool",), "HTTP: attempts after the first one, connections included."
    ),
    Family(
        "nginy_http_pool_reuses", "counter", ("pool",), "HTTP: responses on a connection that had served before."
    ),
    Family(
        "nginy_http_pool_bytes",
        "counter",
        ("pool", "direction"),
        "HTTP: bytes of requests (in) and responses (out), heads included, counted when an exchange is over.",
    ),
    Family(
        "nginy_http_pool_sticky",
        "counter",
        ("pool", "event"),
        "HTTP: sticky cookies: responses by the backend that was named (kept) or by another one (moved), cookies that "
        "were set, requests with forged ones.",
    ),
    Family(
        "nginy_http_pool_loads_refused",
        "counter",
        ("pool",),
        "HTTP: responses whose load (`load_header`) is no number of milliseconds.",
    ),
    Family(
        "nginy_http_pool_first_byte_seconds",
        "histogram",
        ("pool",),
        "HTTP: time from a request's whole head to the beginning of its response.",
    ),
    Family(
        "nginy_http_pool_request_seconds",
        "histogram",
        ("pool",),
        "HTTP: time to the end of the response, of those that were passed on in full.",
    ),
    Family(
        "nginy_http_rates_forgotten",
        "counter",
        _LISTENER,
        "HTTP: clients whose `limits.request_rate` began anew, to make room for other ones; 65,536 fit a worker.",
    ),
    Family(
        "nginy_tls_handshakes", "counter", ("listener", "kind"), "TLS: handshakes done, by kind: full, resumed."
    ),
    Family(
        "nginy_tls_handshake_failures", "counter", ("listener", "reason"), "TLS: handshakes that failed, by reason."
    ),
    Family(
        "nginy_tls_certificate_expiry_seconds",
        "gauge",
        ("certificate",),
        "TLS: when a certificate in use expires, seconds since the epoch.",
    ),
    Family("nginy_flows_assured", "gauge", _LISTENER, "UDP: live flows that a backend has answered; never evicted."),
    Family(
        "nginy_receive_buffer_bytes",
        "gauge",
        _LISTENER,
        "UDP: what the receive queue of each socket may hold, as the kernel gave it (`udp.rcvbuf`).",
    ),
    Family(
        "nginy_pool_backends", "gauge", ("pool",), "Backends of the pool (every resolved address is one)."
    ),
    Family(
        "nginy_pool_backends_usable",
        "gauge",
        ("pool",),
        "Backends that get new sessions: state ready, weight above 0, not known to be down.",
    ),
    Family("nginy_policy_questions", "counter", ("pool",), "Choices that a class in Python was wanted for."),
    Family("nginy_policy_answers", "counter", ("pool",), "Choices that it made, or gave the key for."),
    Family(
        "nginy_policy_fallbacks",
        "counter",
        ("pool", "why"),
        "Choices that its fallback made: late, raised, none (it gave nothing), wrong (no backend of the pool, no key), "
        "unusable (down, full, tried before), dead (no policy process), no_room.",
    ),
    Family("nginy_policy_questions_abandoned", "counter", ("pool",), "Questions whose client left before the answer."),
    Family("nginy_policy_answers_stale", "counter", ("pool",), "Answers that came when nobody waited any more."),
    Family(
        "nginy_policy_releases_dropped",
        "counter",
        ("pool",),
        "Records of ended attempts and sessions that found no room on their way to the policy.",
    ),
    Family("nginy_policy_process_up", "gauge", (), "1 while a process is there that runs policies in Python."),
    Family(
        "nginy_policy_process_replaced",
        "counter",
        ("reason",),
        "Times it was replaced: died, hang, memory, fork, start (it never became ready), nonsense.",
    ),
    Family("nginy_backend_sessions", "counter", _BACKEND, "Sessions connected to the backend."),
    Family(
        "nginy_backend_sessions_live",
        "gauge",
        _BACKEND,
        "Sessions on the backend now, connecting ones included.",
    ),
    Family(
        "nginy_backend_bytes",
        "counter",
        (*_BACKEND, "direction"),
        "Bytes relayed; in: to the backend, out: from the backend.",
    ),
    Family("nginy_backend_attempts", "counter", (*_BACKEND, "outcome"), "Attempts to connect, by outcome."),
    Family("nginy_backend_connect_seconds", "histogram", _BACKEND, "Time that successful connects took."),
    Family(
        "nginy_backend_verdict", "gauge", (*_BACKEND, "verdict"), "1 for the verdict of the health checks."
    ),
    Family(
        "nginy_backend_state", "gauge", (*_BACKEND, "state"), "1 for the state the configuration asks for."
    ),
    Family(
        "nginy_backend_weight",
        "gauge",
        _BACKEND,
        "Weight that choices go by: the configured one, or what a table policy has published.",
    ),
    Family("nginy_worker_up", "gauge", _WORKER, "1 while the worker serves."),
    Family("nginy_worker_deaths", "counter", _WORKER, "Times a worker of this slot died and was replaced."),
    Family("nginy_worker_adopted_generation", "gauge", _WORKER, "Generation the worker works with."),
    Family("nginy_worker_accepted", "counter", _WORKER, "Sessions accepted by workers of this slot."),
    Family("nginy_worker_sessions_live", "gauge", _WORKER, "Session slots in use."),
    Family("nginy_worker_sessions_max", "gauge", _WORKER, "Session slots there are."),
    Family("nginy_worker_leases", "gauge", _WORKER, "Leases held on backends."),
    Family("nginy_worker_timers_live", "gauge", _WORKER, "Armed timers."),
    Family("nginy_worker_buffers_used", "gauge", _WORKER, "Relay buffers lent out."),
    Family("nginy_worker_buffers_max", "gauge", _WORKER, "Relay buffers there are."),
    Family(
        "nginy_worker_unbuffered",
        "counter",
        _WORKER,
        "Moves made without a relay buffer, because all were lent; if it grows, raise `runtime.buffers`.",
    ),
    Family("nginy_worker_pipes_lent", "gauge", _WORKER, "Pipes that sessions move bulk through now."),
    Family("nginy_worker_pipes_open", "gauge", _WORKER, "Pipes that are open, lent or not."),
    Family("nginy_worker_pipes_max", "gauge", _WORKER, "Pipes there may be."),
    Family(
        "nginy_worker_pipes_refused",
        "counter",
        _WORKER,
        "Times the kernel gave no pipe of full size; see `fs.pipe-user-pages-soft`. Bulk is copied then.",
    ),
    Family("nginy_worker_spliced_bytes", "counter", _WORKER, "Bytes delivered without being copied."),
    Family(
        "nginy_worker_spins", "counter", _WORKER, "Polls that did not wait because work was expected (`runtime.spin`)."
    ),
    Family("nginy_worker_turns", "counter", _WORKER, "Turns of the worker's loop."),
    Family("nginy_worker_turn_seconds", "histogram", _WORKER, "Time that turns took, waiting for events left out."),
    Family(
        "nginy_worker_slow_turns",
        "counter",
        (*_WORKER, "stage"),
        "Turns over 10 ms, by the stage that took longest: events, control, ready, timers, upkeep.",
    ),
    Family("nginy_worker_turn_age_seconds", "gauge", _WORKER, "Time since the last turn began."),
    Family(
        "nginy_worker_accept_pauses",
        "counter",
        _WORKER,
        "Pauses of accepting for want of descriptors or memory.",
    ),
    Family("nginy_worker_stale_events", "counter", _WORKER, "Late events that were recognised and dropped."),
    Family("nginy_worker_snapshots_rejected", "counter", _WORKER, "Snapshots the worker refused."),
    Family(
        "nginy_access_log_dropped",
        "counter",
        ("stage",),
        "Access records lost; worker: its ring was full, queue: the output was slow, write: it failed.",
    ),
    Family("nginy_log_dropped", "counter", (), "Events that could not be written to the log."),
)
