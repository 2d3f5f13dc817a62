"""Hints: what people coming from elsewhere write, what is not in this version yet, and near misses. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache

from nginy.config.shape import keys_of, walk_models
from nginy.model import Config, Kinded, Model

_LATER: dict[str, str] = {
    "Config": "acls registry tls",
    "Pool": "limits outlier registry slow_start upstream",
    "Backend": "proxy_protocol slow_start tls zone",
    "Listener": "acl preread proxy_protocol routes session tls",
    "Timeouts": "queue",
    "Limits": "backend_conns conns conns_per_source max_conn_age pool_conns queue rate",
    "Admin": "resp",
    "AdminHttp": "token_file",
    "policy": "bounded_hash first jump least_pending least_time maglev prefix_cache python ring",
    "health": "dns exec python udp",
    "protocol": "http socks5 udp",
    "RoundRobin LeastConn Random2 SourceHash": "call deadline fallback key",
}
_FOREIGN: dict[str, str] = {
    "Config": """
        listeners: bind entrypoint entrypoints entry_points frontend frontends listen listener
        proxy server servers virtual_server
        pools: backend backends cluster clusters group groups server_group service services
        upstream upstreams   runtime: global main process settings   defaults: default
        admin: api controller stats   include: import includes
    """,
    "Runtime": """
        workers: nbthread processes threads worker worker_processes   pid_file: pid pidfile
        drain: graceful_timeout shutdown_timeout   access_log: accesslog
        sessions: maxconn max_conns worker_connections   buffers: buffer_size
        affinity: cpu_affinity cpu_map cpus pinning worker_cpu_affinity
        spin: busy_poll busy_polling busyloop   pipes: maxpipes splice_memory
    """,
    "Pool": """
        backends: endpoint endpoints hosts members nodes servers server targets upstreams
        policy: algorithm balance balancer lb lb_policy load_balance load_balancing method
        strategy   health: check checks health_check health_checks healthcheck probe
        resolve: dns resolver
    """,
    "Backend": """
        address: addr endpoint host ip server target url
        max_conns: connections max_connections maxconn
        state: disabled down drain enabled maint status   tier: priority
    """,
    "Listener": """
        bind: addr address addresses listen port
        pool: backend backends cluster default_backend proxy_pass server service target upstream
        use_backend   protocol: kind mode type   limits: maxconn max_conns max_connections
        timeouts: timeout   keepalive: tcp_keepalive   splice: sendfile splicing zero_copy
    """,
    "Timeouts": """
        idle: client proxy_timeout read server write   connect: connection
        half_close: halfclose tunnel
    """,
    "Limits": "sessions: connections maxconn max_conns max_connections   retries: redispatch retry tries",
    "FrontTcp BackTcp": """
        defer_accept: defer deferred tcp_defer_accept   quickack: delayed_ack quick_ack tcp_quickack
        fastopen: fast_open tcp_fastopen tfo
        congestion: algorithm cc congestion_control tcp_congestion
    """,
    "TcpHealth HttpHealth": """
        kind: protocol type   path: endpoint uri url   interval: every inter period
        rise: healthy healthy_threshold passes success up
        fall: failures fails unhealthy unhealthy_threshold   start: init initial initial_status
        expect: status statuses
    """,
    "Log": "level: severity verbosity",
    "AccessLog": "output: file path",
    "Admin": "http: listen metrics prometheus stats   socket: control path",
    "AdminHttp": "bind: address listen port",
    "policy": """
        round_robin: rr roundrobin wrr
        least_conn: least_connections least_conns least_request leastconn wlc
        random2: p2c random two_choices   source_hash: hash ip_hash source src
    """,
    "state": "ready: enabled on up active   maint: disabled down maintenance off   drain: draining",
    "level": "warning: warn   error: err crit critical fatal   debug: trace verbose   info: notice",
    "format": "text: console plain   json: jsonl",
    "on_down": "reset: close cut kill shutdown   keep: none ignore",
    "protocol": "tcp: stream l4 tcp4",
    "splice": "auto: automatic on yes   off: never no none",
    "affinity": "on: auto yes   off: no none",
    "health": "tcp: connect ping   http: http1 https",
}
_KEYS_SHOWN = 12


@cache
def _table(raw: str, context: str) -> dict[str, str]:
    """Foreign word to ours, for one context; for later words, word to itself."""
    found: dict[str, str] = {}
    for contexts, words in (_LATER if raw == "later" else _FOREIGN).items():
        if context not in contexts.split():
            continue
        ours = ""
        for word in words.split():
            if word.endswith(":"):
                ours = word[:-1]
            else:
                found[word] = ours or word
    return found


def is_later(context: str, word: str) -> bool:
    """Whether a later version brings this word. context: name of a model, or of the key whose value it is."""
    return word in _table("later", context)


def hint_for(context: str, word: str, known: Iterable[str]) -> str:
    """What to write instead of a word that is not known here, or empty."""
    choices = list(known)
    plain = word.lower().replace("-", "_")
    ours = _table("foreign", context).get(plain)
    if ours in choices:
        return f"it is called `{ours}` here"
    if plain in choices:
        return f"did you mean `{plain}`?"
    near = difflib.get_close_matches(plain[:40], choices, n=1, cutoff=0.7)
    return f"did you mean `{near[0]}`?" if near else ""


def key_hint(model: type[Model], key: str) -> str:
    """What to write instead of an unknown key: ours, a near miss, where it stands, or all that is known."""
    known = list(keys_of(model))
    if model is Config:
        known.append("include")
    hint = hint_for(model.__name__, key, known)
    if hint:
        return hint
    plain = key.lower().replace("-", "_")
    for path, kind, home in _homes().get(plain, ()):
        if not issubclass(model, Kinded):
            return f"`{plain}` stands under {path}"
        if issubclass(home, Kinded):
            return f"`{plain}` goes with `kind: {kind}`"
    return "known keys: " + ", ".join(known) if len(known) <= _KEYS_SHOWN else ""


@cache
def _homes() -> dict[str, list[tuple[str, str, type[Model]]]]:
    """Key to the mappings that have it, as walk_models() tells them; `defaults` last."""
    homes: dict[str, list[tuple[str, str, type[Model]]]] = {}
    for home in sorted(walk_models(Config), key=lambda home: home[0].startswith("defaults")):
        for key in keys_of(home[2]):
            homes.setdefault(key, []).append(home)
    return homes
