"""Hints: what people coming from elsewhere write, what is not in this version yet, and near misses. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache

from nginy.config.shape import keys_of, walk_models
from nginy.model import CalledPolicy, Config, Kinded, Model

_LATER: dict[str, str] = {
    "Config": "acls registry",
    "Pool": "limits outlier registry upstream",
    "Backend": "proxy_protocol slow_start tls zone",
    "Listener": "acl",
    "Timeouts": "queue",
    "Limits": "backend_conns conns max_conn_age pool_conns queue rate",
    "Admin": "resp",
    "AdminHttp": "token_file",
    "policy": "least_pending prefix_cache",
    "health": "exec python",
    "protocol": "socks5",
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
        sticky: affinity cookie persistence session_affinity stickiness sticky_cookie   load_header: agent_check load
        resolve: dns resolver   of: group groups members pools weighted weighted_clusters
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
        filters: middleware middlewares plugins
        routes: hosts rules server_names sni sites   preread: inspect_delay peek sniff ssl_preread tls_inspector
        session: affinity flow flows persistence sessions stickiness sticky
    """,
    "Route": """
        sni: server_name server_names   host: authority domain hosts hostname name names
        path: location path_prefix prefix uri url   exact: path_exact   pattern: path_regex regex regexp
        method: methods verb   header: headers   query: args arguments params query_params
        pool: backend service target to upstream   pools: backends services split weighted_clusters
        respond: answer direct_response respond_with return static   redirect: moved redirection
        strip: strip_path strip_prefix   add: add_prefix prepend   rewrite: prefix_rewrite replace replace_path
        filters: middleware middlewares plugins
    """,
    "Filter": "request: request_headers requestHeaders   response: headers response_headers",
    "Edits": """
        set: replace overwrite put   add: append   remove: delete del drop hide unset
    """,
    "Share": "pool: backend name   weight: share",
    "Respond": "status: code   headers: header   body: content text   file: body_file path",
    "Redirect": """
        location: to url   status: code   scheme: protocol   host: authority hostname   path: uri
    """,
    "Member": "pool: name   weight: share",
    "InsertSticky PrefixSticky": """
        name: cookie cookie_name   secret_file: key key_file secret   max_age: expires maxlife ttl   secure: https_only
        same_site: samesite
    """,
    "Preread": "until: bytes for kind length wait_for   timeout: deadline inspect_delay preread_timeout",
    "Tls": "certs: certificates keys pairs",
    "Cert": """
        cert: certificate chain crt fullchain pem ssl_certificate   key: private_key ssl_certificate_key
        sni: host hosts hostname names server_name server_names
    """,
    "FrontTls": """
        certs: cert certificate certificates crt   strict: reject_handshake sni_strict strict_sni
        min: min_version minimum protocols ssl_min_ver ssl_protocols   ciphers: cipher ssl_ciphers
        suites: ciphersuites tls13_ciphers   client: auth client_auth client_ca mtls verify verify_client
    """,
    "ClientCerts": "ca: authorities ca_file client_ca   verify: mode require",
    "Session": """
        key: hash hash_key sticky   idle: expire idle_timeout proxy_timeout timeout ttl
        max: flows max_flows max_sessions size table_size   requests: proxy_requests
        responses: answers proxy_responses replies   check: validate verify   reuse: keepalive pool
        per_datagram: per_packet use_per_packet_load_balancing
    """,
    "BytesKey CidServer QuicCidKey": """
        offset: at begin start   length: bytes len size   server: servers   map: backends ids
    """,
    "FrontUdp": """
        rcvbuf: buffer rcv_buf receive_buffer so_rcvbuf   gro: udp_gro
        proxy_protocol: accept_proxy proxy send_proxy
    """,
    "TrustedSenders": "from: networks senders sources trusted",
    "BackUdp": "proxy_protocol: proxy send_proxy   transparent: proxy_bind source source_address usesrc",
    "Timeouts": """
        idle: client proxy_timeout read server write   connect: connection
        half_close: halfclose tunnel   head: client_header_timeout http_request   keep_alive: keepalive_timeout
        body: client_body_timeout   request: total request_timeout
    """,
    "Limits": """
        sessions: connections flows maxconn max_conns max_connections   retries: redispatch retry tries
        flows_per_source: conns_per_source per_source sessions_per_source
        flow_rate: new_flows session_rate   flow_rate_per_source: rate_per_source
        datagram_rate: packet_rate pps   bandwidth: bps limit_rate throughput
        head: header headers header_size max_header_size large_client_header_buffers   fields: header_count max_headers
        target: path uri url uri_length   body: client_max_body_size body_size max_body max_body_size
        requests: keepalive_requests max_requests   request_rate: limit_req rate rate_limit rps
    """,
    "RequestRate": "rate: average limit requests rps   burst: bucket capacity",
    "FrontTcp BackTcp": """
        defer_accept: defer deferred tcp_defer_accept   quickack: delayed_ack quick_ack tcp_quickack
        fastopen: fast_open tcp_fastopen tfo
        congestion: algorithm cc congestion_control tcp_congestion
    """,
    "TcpHealth HttpHealth UdpHealth": "kind: protocol type",
    "TcpHealth HttpHealth DnsHealth UdpHealth": """
        path: endpoint uri url   interval: every inter period
        rise: healthy healthy_threshold passes success up
        fall: failures fails unhealthy unhealthy_threshold   start: init initial initial_status
        expect: answer receive recv response status statuses   send: data payload request
        name: domain host qname query   type: qtype record   rcode: code rcodes
    """,
    "UdpExpect": "prefix: begins starts_with   contains: string text   hex: exact payload",
    "Payload": "text: string   hex: base16 bytes",
    "Log": "level: severity verbosity",
    "AccessLog": "output: file path",
    "Admin": "http: listen metrics prometheus stats   socket: control path",
    "AdminHttp": "bind: address listen port",
    "policy": """
        round_robin: rr roundrobin wrr
        least_conn: least_connections least_conns least_request leastconn wlc
        random2: p2c two_choices   source_hash: ip_hash source src   least_time: ewma leasttime peak_ewma
        ring: chash consistent consistent_hash hash ketama ring_hash   rendezvous: highest_random_weight hrw
        bounded_ring: bounded_hash bounded_load hash_balance_factor   first: first_fit fo ovf
        hash_preserve: hash_preserve_affinity
    """,
    "state": "ready: enabled on up active   maint: disabled down maintenance off   drain: draining",
    "level": "warning: warn   error: err crit critical fatal   debug: trace verbose   info: notice",
    "format": "text: console plain   json: jsonl",
    "on_down": "reset: close cut kill shutdown   keep: none ignore",
    "protocol": "http: http1 https web   tcp: stream l4 tcp4   udp: datagram dgram dns quic syslog",
    "key": """
        tuple: 4tuple 5tuple address_port ip_port   source: client_ip ip source_ip src
        bytes: payload slice token   quic_cid: cid connection_id dcid quic   sni: server_name ssl_preread_server_name
        destination: dst local   constant: fixed static   listener: frontend port
        header: hdr http_header   path: request_uri uri url   query: arg argument url_param   host: authority http_host
    """,
    "check": "none: no off",
    "sticky": "insert: cookie on rewrite yes   prefix: application learn",
    "proxy_protocol": "flow: first on once session yes   datagram: all always every packet",
    "splice": "auto: automatic on yes   off: never no none",
    "affinity": "on: auto yes   off: no none",
    "health": "tcp: connect ping   http: http1 https   udp: datagram payload   dns: resolver",
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
    return _exact_hint(context, word, choices) or _near_hint(word, choices)


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def _exact_hint(context: str, word: str, choices: list[str]) -> str:
    ours = _table("foreign", context).get(_plain(word))
    if ours in choices:
        return f"it is called `{ours}` here"
    same = next((choice for choice in choices if choice.lower() == _plain(word)), None)
    return f"did you mean `{same}`?" if same else ""


def _near_hint(word: str, choices: list[str]) -> str:
    lowered = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(_plain(word)[:40], lowered, n=1, cutoff=0.7)
    return f"did you mean `{lowered[near[0]]}`?" if near else ""


def key_hint(model: type[Model], key: str) -> str:
    """What to write instead of an unknown key: ours, where it stands, a near miss, or all that is known."""
    known = list(keys_of(model))
    if model is Config:
        known.append("include")
    return (
        _exact_hint(model.__name__, key, known)
        or _home_hint(model, _plain(key))
        or _near_hint(key, known)
        or ("known keys: " + ", ".join(known) if len(known) <= _KEYS_SHOWN else "")
    )


def _home_hint(model: type[Model], key: str) -> str:
    """Where a key of this name stands, best below the same top-level key."""
    own = _paths().get(model, ())
    roots = {path.split(".")[0] for path in own}
    homes = sorted(_homes().get(key, ()), key=lambda home: home[0].split(".")[0] not in roots)
    if issubclass(model, CalledPolicy) and any(f"{path}.fallback" in {home[0] for home in homes} for path in own):
        return f"`{key}` belongs to a native policy: put it into `fallback`"
    kinds = list(dict.fromkeys(kind for path, kind, _ in homes if path in own))
    if len(kinds) > 1:
        return f"`{key}` goes with {', '.join(f'`{kind}`' for kind in kinds)}: take one of these, or remove `{key}`"
    for path, kind, home in homes:
        if not issubclass(model, Kinded):
            return f"`{key}` stands under {path}"
        if issubclass(home, Kinded):
            return f"`{key}` goes with `kind: {kind}`"
    return ""


@cache
def _paths() -> dict[type[Model], set[str]]:
    """Mapping to where it stands."""
    paths: dict[type[Model], set[str]] = {}
    for path, _, home in walk_models(Config):
        paths.setdefault(home, set()).add(path)
    return paths


@cache
def _homes() -> dict[str, list[tuple[str, str, type[Model]]]]:
    """Key to the mappings that have it, as walk_models() tells them; `defaults` last."""
    homes: dict[str, list[tuple[str, str, type[Model]]]] = {}
    for home in sorted(walk_models(Config), key=lambda home: home[0].startswith("defaults")):
        for key in keys_of(home[2]):
            homes.setdefault(key, []).append(home)
    return homes
