"""Keys that are missing, unknown, foreign or of a later version, and values of the wrong type."""

import pytest

from .marked import LISTENER, POOL, Bad, backend, check, listener, pool, top, whole

UNKNOWN = [
    top("§runtim: {}", "runtim", "did you mean `runtime`?"),
    top("§Runtime: {}", "Runtime", "did you mean `runtime`?"),
    top("§frontend: {}", "frontend", "it is called `listeners` here"),
    top("§upstreams: {}", "upstreams", "it is called `pools` here"),
    top("§servers: []", "servers", "it is called `listeners` here"),
    top("§cluster: {}", "cluster", "it is called `pools` here"),
    top("§service: {}", "service", "it is called `pools` here"),
    top("§entrypoints: {}", "entrypoints", "it is called `listeners` here"),
    top("§workers: 2", "workers", "`workers` stands under runtime"),
    top("§x1: 2", "x1", "known keys: version, runtime"),
    top("§'two words': 2", '"two words"', "this key is not known here"),
    top("runtime: {§worker_processes: 2}", "runtime.worker_processes", "it is called `workers` here"),
    top("runtime: {§pid-file: x}", "runtime.pid-file", "did you mean `pid_file`?"),
    top("runtime: {log: {§levle: info}}", "runtime.log.levle", "did you mean `level`?"),
    top("defaults: {§backlog: 3}", "defaults.backlog", "`backlog` stands under listeners.<name>"),
    top("defaults: {timeouts: {§client: 3s}}", "defaults.timeouts.client", "it is called `idle` here"),
    pool("§balance: rr", ".balance", "it is called `policy` here"),
    pool("§servers: []", ".servers", "it is called `backends` here"),
    pool("§weight: 2", ".weight", "`weight` stands under pools.<name>.backends[]"),
    pool("§healthcheck: tcp", ".healthcheck", "it is called `health` here"),
    pool("policy: {kind: random2, §choices: 3}", ".policy.choices", "this key is not known here"),
    pool("health: {kind: tcp, §path: /}", ".health.path", "`path` goes with `kind: http`"),
    pool("health: {kind: http, §uri: /}", ".health.uri", "it is called `path` here"),
    pool("health: {kind: http, expect: {§code: 200}}", ".health.expect.code", "known keys: status"),
    backend("{address: 'b:1', §wieght: 3}", ".wieght", "did you mean `weight`?"),
    backend("{§host: 'b:1'}", "", "")._replace(
        text=f"pools: {{p: {{backends: [{{address: 'b:1', §host: b}}]}}}}\n{LISTENER}",
        path="pools.p.backends[0].host",
        says="it is called `address` here",
    ),
    listener("§listen: ':0'", ".listen", "it is called `bind` here"),
    listener("§upstream: p", ".upstream", "it is called `pool` here"),
    listener("timeouts: {§half-close: 3s}", ".timeouts.half-close", "did you mean `half_close`?"),
    listener("limits: {§maxconn: 3}", ".limits.maxconn", "it is called `sessions` here"),
    listener("§quickack: off", ".quickack", "`quickack` stands under listeners.<name>.tcp"),
    listener("§defer_accept: 1s", ".defer_accept", "`defer_accept` stands under listeners.<name>.tcp"),
    listener("tcp: {§tfo: 5}", ".tcp.tfo", "it is called `fastopen` here"),
    listener("tcp: {§quikack: off}", ".tcp.quikack", "did you mean `quickack`?"),
    pool("tcp: {§congestion_control: bbr}", ".tcp.congestion_control", "it is called `congestion` here"),
    pool("tcp: {§defer_accept: 1s}", ".tcp.defer_accept", "`defer_accept` stands under listeners.<name>.tcp"),
    top("runtime: {§cpu-affinity: on}", "runtime.cpu-affinity", "it is called `affinity` here"),
    top("runtime: {§splice: off}", "runtime.splice", "`splice` stands under listeners.<name>"),
    top("runtime: {§busy_poll: on}", "runtime.busy_poll", "it is called `spin` here"),
    top("admin: {§stats: ':1'}", "admin.stats", "it is called `http` here"),
]
LATER = (
    [top(f"§{key}: {{}}", key, "not in this version yet") for key in ("acls", "registry")]
    + [
        pool(f"§{key}: {{}}", f".{key}", "not in this version yet")
        for key in ("registry", "outlier", "limits", "upstream")
    ]
    + [
        listener(f"§{key}: x", f".{key}", "not in this version yet")
        for key in ("acl",)
    ]
    + [
        pool("policy: §prefix_cache", ".policy", "'prefix_cache' is not in this version yet"),
        pool("policy: {kind: §least_pending}", ".policy.kind", "'least_pending' is not in this version yet"),
        pool("policy: {kind: random2, §fallback: ring}", ".policy.fallback", "this key is not known here"),
        pool("health: §python", ".health", "'python' is not in this version yet"),
        pool("health: {kind: §exec, interval: 1s}", ".health.kind", "'exec' is not in this version yet"),
        backend("{address: 'b:1', §zone: a}", ".zone", "not in this version yet"),
        listener("protocol: §socks5", ".protocol", "'socks5' is not in this version yet; expected one of `tcp`"),
        listener("timeouts: {§queue: 10s}", ".timeouts.queue", "not in this version yet"),
        listener("limits: {§rate: 500/s}", ".limits.rate", "not in this version yet"),
        top("admin: {§resp: {}}", "admin.resp", "not in this version yet"),
        top("admin: {http: {§token_file: x}}", "admin.http.token_file", "not in this version yet"),
    ]
)
MISSING = [
    whole(f"§{LISTENER}".replace("pool: p", "pool: p"), "pools", "this key is missing"),
    whole(f"§{POOL}", "listeners", "this key is missing"),
    whole(f"{POOL}listeners: {{§l: {{bind: ':0'}}}}", "listeners.l.pool", "expected the name of a pool"),
    whole(f"{POOL}listeners: {{§l: {{pool: p}}}}", "listeners.l.bind", "this key is missing"),
    whole(
        f"pools:\n  §p:\n    health: tcp\n{LISTENER}",
        "pools.p.backends",
        "this key is missing; expected a list",
    ),
    backend("§{weight: 3}", ".address", "this key is missing"),
    pool("§health: {interval: 1s}", ".health.kind", "expected one of `tcp`, `http`"),
    pool("§policy: {}", ".policy.kind", "expected one of `round_robin`, `least_conn`"),
    whole(f"{POOL}listeners: §{{}}", "listeners", "needs at least one entry"),
    pool("backends: §[]", ".backends", "needs at least one entry"),
    listener("bind: §[]", ".bind", "needs at least one entry"),
    pool("health: {kind: http, expect: {status: §[]}}", ".health.expect.status", "needs at least one entry"),
]
TYPES = [
    top("runtime: §4", "runtime", "expected a mapping, got the number 4"),
    top("runtime: §[workers]", "runtime", "expected a mapping, got a list"),
    top("runtime: §true", "runtime", "expected a mapping, got true"),
    top("runtime: {log: §debug}", "runtime.log", "expected a mapping, got the text 'debug'"),
    top("runtime: {access_log: §3}", "runtime.access_log", 'write "3"'),
    top(
        "runtime: {access_log: §[stdout]}",
        "runtime.access_log",
        "or `off`, `stdout` or the path of a file, got a list",
    ),
    top("runtime: {user: §1000}", "runtime.user", 'write "1000"'),
    top("runtime: {workers: §'4'}", "runtime.workers", "remove the quotes"),
    top(
        "runtime: {workers: §4.5}", "runtime.workers", "expected a whole number or `auto`, got the number 4.5"
    ),
    top("runtime: {workers: §true}", "runtime.workers", "got true"),
    top("runtime: {workers: §08}", "runtime.workers", "a leading zero makes it a text"),
    top("runtime: {workers: §1_000}", "runtime.workers", "got the text '1_000'"),
    top("runtime: {workers: §[4]}", "runtime.workers", "got a list"),
    top("runtime: {workers: §aut}", "runtime.workers", "did you mean `auto`?"),
    top("version: §'1'", "version", "expected `1`, got the text '1'"),
    whole(f"pools:§ \n{LISTENER}", "pools", "expected a mapping of names, got nothing"),
    whole(f"pools: §[a]\n{LISTENER}", "pools", "expected a mapping of names, got a list"),
    whole(f"pools: {{p: §}}\n{LISTENER}", "pools.p.backends", "")._replace(
        text=f"pools: {{§p: }}\n{LISTENER}", says="this key is missing"
    ),
    pool("backends: §'a:1'", ".backends", "expected a list, got the text 'a:1'"),
    pool("backends: §{a: 1}", ".backends", "expected a list, got a mapping"),
    backend("§[b, 1]", "", "expected a mapping or an address such as 10.0.0.1:8000, got a list"),
    backend("§8000", "", "expected an address such as 10.0.0.1:8000, got the number 8000"),
    backend("{address: 'b:1', weight: §heavy}", ".weight", "expected a whole number, got the text 'heavy'"),
    backend("{address: 'b:1', backup: §yes}", ".backup", "write on"),
    backend("{address: 'b:1', backup: §1}", ".backup", "expected `on` or `off`, got the number 1"),
    pool("policy: §[random2]", ".policy", "or a mapping with `kind`, got a list"),
    pool("health: §true", ".health", "or a mapping with `kind`, got true"),
    pool("health: {kind: http, method: §get}", ".health.method", "expected one of `GET`, `HEAD`"),
    pool("health: {kind: tcp, jitter: §10%}", ".health.jitter", "write a share between 0 and 1"),
    listener("half_close: §yes", ".half_close", "write on"),
    listener("half_close: §'NO'", ".half_close", "write off"),
    listener("tcp: §off", ".tcp", "expected a mapping, got the text 'off'"),
    listener("tcp: {quickack: §1}", ".tcp.quickack", "expected `on` or `off`, got the number 1"),
    listener("tcp: {defer_accept: §on}", ".tcp.defer_accept", "expected a duration, got 'on'"),
    top("runtime: {affinity: [§x]}", "runtime.affinity[0]", "expected a whole number, got the text 'x'"),
    top("runtime: {affinity: §{a: 1}}", "runtime.affinity", "expected a list or `off` or `on`, got a mapping"),
    top("runtime: {spin: §yes}", "runtime.spin", "write on"),
    listener("timeouts: §30s", ".timeouts", "expected a mapping, got the text '30s'"),
    listener("timeouts: {idle: §[3s]}", ".timeouts.idle", "got a list"),
    listener("timeouts: {idle: §true}", ".timeouts.idle", "expected a duration such as"),
    listener("keepalive: §never", ".keepalive", "write off"),
    listener("bind: §8080", ".bind", 'write ":8080"'),
    listener("bind: {§port: 8080}", ".bind", "")._replace(
        text=f"{POOL}listeners: {{l: {{bind: §{{port: 1}}, pool: p}}}}", says="expected a list, got a mapping"
    ),
    listener("pool: §7", ".pool", 'write "7"'),
    listener("pool: §true", ".pool", "expected the name of a pool, got true"),
    top("admin: {socket: §1}", "admin.socket", "expected the path of a socket, got the number 1"),
    top("admin: {http: §9901}", "admin.http", "write 127.0.0.1:9901"),
]
TABLE = UNKNOWN + LATER + MISSING + TYPES


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: f"{bad.path}-{bad.text[:24]!r}")
def test_bad_key_or_type_is_refused_at_its_place(bad: Bad) -> None:
    check(bad)
