"""Values out of range or of the wrong form, and what mappings say about each other."""

import pytest

from .marked import LISTENER, POOL, Bad, backend, check, listener, pool, top, whole

RANGES = [
    top("version: §2", "version", "expected `1`, got the number 2"),
    top("runtime: {workers: §0}", "runtime.workers", "expected 1 to 64, got 0"),
    top("runtime: {workers: §65}", "runtime.workers", "expected 1 to 64, got 65"),
    top("runtime: {workers: §-1}", "runtime.workers", "expected 1 to 64, got -1"),
    top("runtime: {drain: §0}", "runtime.drain", "expected 1ms to 30d, got 0s"),
    top("runtime: {drain: §31d}", "runtime.drain", "expected 1ms to 30d, got 31d"),
    top("runtime: {buffers: §64KiB}", "runtime.buffers", "expected 128KiB to 1TiB, got 64KiB"),
    top("runtime: {sessions: §0}", "runtime.sessions", "expected 1 to 2147483647, got 0"),
    top("runtime: {user: §''}", "runtime.user", "must not be empty"),
    top(f"runtime: {{pid_file: §{'x' * 4097}}}", "runtime.pid_file", "longer than 4096 characters"),
    backend("{address: 'b:1', weight: §65536}", ".weight", "expected 0 to 65535, got 65536"),
    backend("{address: 'b:1', weight: §-1}", ".weight", "expected 0 to 65535, got -1"),
    backend("{address: 'b:1', max_conns: §0}", ".max_conns", "got 0"),
    backend("{address: 'b:1', tier: §256}", ".tier", "expected 0 to 255"),
    pool("health: {kind: tcp, interval: §1ms}", ".health.interval", "expected 10ms to 1d, got 1ms"),
    pool("health: {kind: tcp, rise: §0}", ".health.rise", "expected 1 to 1000, got 0"),
    pool("health: {kind: tcp, jitter: §1.5}", ".health.jitter", "expected 0 to 1, got 1.5"),
    pool("health: {kind: tcp, jitter: §.nan}", ".health.jitter", "finite"),
    pool("health: {kind: tcp, timeout: §.inf}", ".health.timeout", "got inf"),
    pool("resolve: §10ms", ".resolve", "expected 100ms to 1d, got 10ms"),
    listener("limits: {retries: §8}", ".limits.retries", "expected 0 to 7, got 8"),
    listener("limits: {sessions: §-5}", ".limits.sessions", "got -5"),
    listener("backlog: §0", ".backlog", "expected 1 to 65535, got 0"),
    listener("keepalive: §500ms", ".keepalive", "expected 1s to 9h, got 500ms"),
    listener("tcp: {defer_accept: §2h}", ".tcp.defer_accept", "expected 1s to 1h, got 2h"),
    listener("tcp: {defer_accept: §0}", ".tcp.defer_accept", "expected 1s to 1h, got 0s"),
    listener("tcp: {defer_accept: §1500ms}", ".tcp.defer_accept", "the kernel counts whole seconds here"),
    listener("tcp: {fastopen: §0}", ".tcp.fastopen", "expected 1 to 65535, got 0"),
    listener("tcp: {fastopen: §65536}", ".tcp.fastopen", "expected 1 to 65535, got 65536"),
    listener(f"tcp: {{congestion: §{'x' * 16}}}", ".tcp.congestion", "longer than 15 characters"),
    top("runtime: {pipes: §8g}", "runtime.pipes", "expected 0 to 4GiB, got 8GiB"),
    top("runtime: {pipes: §1k}", "runtime.pipes", "one pipe takes 1MiB: give at least that, or 0 for none"),
    top("runtime: {affinity: [0, §8192]}", "runtime.affinity[1]", "expected 0 to 8191, got 8192"),
    top("runtime: {affinity: [§-1, 0]}", "runtime.affinity[0]", "expected 0 to 8191, got -1"),
    top(f"runtime: {{affinity: §[{', '.join(['0'] * 65)}]}}", "runtime.affinity", "has 65 entries; at most 64"),
    top("runtime: {affinity: §[]}", "runtime.affinity", "needs at least one entry"),
]
UNITS = [
    top("runtime: {drain: §30x}", "runtime.drain", "unknown unit 'x'"),
    top("runtime: {drain: §5min}", "runtime.drain", "write 5m"),
    top("runtime: {drain: §10us}", "runtime.drain", "the smallest unit is ms"),
    top("runtime: {drain: §1h30}", "runtime.drain", "a number has no unit"),
    top("runtime: {drain: §30m1h}", "runtime.drain", "each unit once, the larger first"),
    top("runtime: {drain: §1s1s}", "runtime.drain", "each unit once, the larger first"),
    top("runtime: {drain: §5S}", "runtime.drain", "expected a duration, got '5S'"),
    top("runtime: {drain: §'5 s'}", "runtime.drain", "expected a duration, got '5 s'"),
    top("runtime: {drain: §-5s}", "runtime.drain", "expected a duration, got '-5s'"),
    top("runtime: {drain: §''}", "runtime.drain", "expected a duration, got ''"),
    top("runtime: {drain: §22:22}", "runtime.drain", "expected a duration, got '22:22'"),
    top("runtime: {buffers: §64KB}", "runtime.buffers", "write 64KiB"),
    top("runtime: {buffers: §1XiB}", "runtime.buffers", "unknown unit 'XiB'"),
    top("runtime: {buffers: §-1}", "runtime.buffers", "expected a size, got '-1'"),
    top("runtime: {buffers: §1.3k}", "runtime.buffers", "not a whole number of bytes"),
    top("runtime: {buffers: §much}", "runtime.buffers", "expected a size, got 'much'"),
]
CHOICES = [
    top("runtime: {log: {level: §warn}}", "runtime.log.level", "it is called `warning` here"),
    top("runtime: {log: {format: §yaml}}", "runtime.log.format", "expected one of `text`, `json`"),
    top("runtime: {access_log: §stderr}", "runtime.access_log", "stderr carries nginy's own log"),
    top("runtime: {access_log: {output: §on}}", "runtime.access_log.output", "expected `off`, `stdout` or"),
    listener("splice: §on", ".splice", "it is called `auto` here"),
    listener("splice: §true", ".splice", "expected one of `auto`, `off`, got true"),
    top("defaults: {splice: §never}", "defaults.splice", "it is called `off` here"),
    top("runtime: {affinity: §auto}", "runtime.affinity", "it is called `on` here"),
    top("runtime: {affinity: §0-3}", "runtime.affinity", "expected a list or `off` or `on`, got the text '0-3'"),
    top("runtime: {affinity: §3}", "runtime.affinity", "write [3]"),
    listener("tcp: {congestion: §'a b'}", ".tcp.congestion", "expected a name such as cubic or bbr"),
    pool("tcp: {congestion: §''}", ".tcp.congestion", "leave the key out for the system's own"),
    listener("tcp: {fastopen: §on}", ".tcp.fastopen", "expected a whole number or `off`, got the text 'on'"),
    backend("{address: 'b:1', state: §down}", ".state", "it is called `maint` here"),
    backend("{address: 'b:1', state: §off}", ".state", "it is called `maint` here"),
    backend(
        "{address: 'b:1', state: §false}", ".state", "expected one of `ready`, `drain`, `maint`, got false"
    ),
    pool("policy: §roundrobin", ".policy", "it is called `round_robin` here"),
    pool("policy: {kind: §leastconn}", ".policy.kind", "it is called `least_conn` here"),
    pool("policy: §nothing_like_it", ".policy", "expected one of `round_robin`, `least_conn`, `least_time`"),
    pool("health: {kind: tcp, on_down: §close}", ".health.on_down", "it is called `reset` here"),
    pool("health: {kind: tcp, start: §up}", ".health.start", "expected one of `unknown`, `down`"),
    pool("health: {kind: http, expect: {status: §2xx}}", ".health.expect.status", "write 200-299"),
    pool(
        "health: {kind: http, expect: {status: [200, §299-200]}}", ".health.expect.status[1]", "write 200-299"
    ),
    pool("health: {kind: http, expect: {status: §99}}", ".health.expect.status", "write a code such as 204"),
    pool("health: {kind: http, path: §healthz}", ".health.path", "a path that begins with /"),
    pool("health: {kind: http, path: §'/a b'}", ".health.path", "no spaces"),
    pool("health: {kind: http, host: §'a b'}", ".health.host", "a host name without spaces"),
    pool('health: {kind: http, host: §"a\\r\\nX: 1"}', ".health.host", "cannot be printed"),
    top('runtime: {pid_file: §"a\\nb"}', "runtime.pid_file", "cannot be printed"),
]
ADDRESSES = [
    backend("§10.0.0.1", "", "write 10.0.0.1:port"),
    backend("§10.0.0.300:80", "", "'10.0.0.300' is not an IP address"),
    backend("§a:70000", "", "a port is 1 to 65535, got 70000"),
    backend("§a:0", "", "a port is 1 to 65535, got 0"),
    backend("§a:http", "", "expected a port number after the last colon, got 'http'"),
    backend("§:80", "", "has no host"),
    backend("§http://a:80", "", "write it without http://"),
    backend("§/run/app.sock", "", "write unix:/run/app.sock"),
    backend("§unix:app.sock", "", "not an absolute path"),
    backend(f"§unix:/{'x' * 107}", "", "longer than the 107 bytes"),
    backend("§::1:80", "", 'write IPv6 in brackets and quotes: "[::1]:80"'),
    backend("§'[::1]'", "", "write [v6]:port"),
    backend("§'[10.0.0.1]:80'", "", "only IPv6 addresses stand in brackets"),
    backend("§'[fe80::1%eth0]:80'", "", "zone (%)"),
    backend("§a b:80", "", "'a b' is not a host name"),
    backend("§bücher.example:80", "", "write the xn-- form"),
    backend("§-a:80", "", "'-a' is not a host name"),
    backend("{address: §a}", ".address", "write a:port"),
    listener("bind: [':1', §'localhost:80']", ".bind[1]", "write 127.0.0.1:80 or [::1]:80"),
    listener("bind: §'example.org:80'", ".bind", "listeners are bound to IP addresses"),
    listener("bind: §'*:80'", ".bind", 'write ":80" for all IPv4'),
    listener("bind: §'80'", ".bind", 'write ":80"'),
    listener("bind: §'systemd:a b'", ".bind", "does not name a socket"),
    listener("bind: §'unix:/run/'", ".bind", "not an absolute path"),
    top("admin: {http: §0.0.0.0:9901}", "admin.http", "only loopback is allowed here"),
    top("admin: {http: {bind: §':9901'}}", "admin.http.bind", "only loopback is allowed here"),
    top("admin: {http: §unix:/x}", "admin.http", "is not ip:port"),
    top("admin: {socket: §'unix:'}", "admin.socket", "not the path of a socket"),
    top(f"admin: {{socket: §/{'x' * 100}}}", "admin.socket", "longer than the 100 bytes"),
]
CROSS = [
    listener("pool: §q", ".pool", "there is no pool 'q' (pools: p)"),
    whole(
        f"pools: {{§API: {{backends: ['a:1']}}, p: {{backends: ['a:1']}}}}\n{LISTENER}",
        "pools.API",
        "write api",
    ),
    whole(f"{POOL}listeners: {{§1x: {{bind: ':0', pool: p}}}}", "listeners.1x", "a name begins with a-z"),
    whole(
        f"{POOL}listeners: {{§{'x' * 65}: {{bind: ':0', pool: p}}}}", f"listeners.{'x' * 65}", "64 characters"
    ),
    listener(
        "bind: [':80', §'0.0.0.0:80']",
        ".bind[1]",
        "0.0.0.0:80 is bound twice; the other one is at case.yaml:3",
    ),
    listener("bind: ['127.0.0.1:80', §':80']", ".bind[1]", "0.0.0.0:80 overlaps with 127.0.0.1:80"),
    listener("bind: ['[::]:80', §'[::1]:80']", ".bind[1]", "[::1]:80 overlaps with [::]:80"),
    listener("bind: ['unix:/a', §'unix:/a']", ".bind[1]", "unix:/a is bound twice"),
    listener("bind: ['systemd:a', §'systemd:a']", ".bind[1]", "systemd:a is bound twice"),
    whole(
        f"{POOL}listeners:\n  a: {{bind: ':80', pool: p}}\n  b: {{bind: §':80', pool: p}}",
        "listeners.b.bind",
        "twice",
    ),
    whole(
        f"{POOL}listeners: {{l: {{bind: ':9901', pool: p}}}}\nadmin: {{http: §on}}",
        "admin.http",
        "overlaps with",
    ),
    whole(
        f"{POOL}listeners: {{l: {{bind: 'unix:/a', pool: p}}}}\nadmin: {{socket: §/a}}",
        "admin.socket",
        "bound twice",
    ),
    backend("§a:1", "", "a:1 is already in this pool, at case.yaml:4:7"),
    backend("{address: §'A:1'}", ".address", "a:1 is already in this pool"),
    backend("{address: 'b:1', §backup: on, tier: 1}", ".backup", "give `backup` or `tier`, not both"),
    backend("{address: 'b:1', tier: 0, §backup: off}", ".backup", "give `backup` or `tier`, not both"),
    backend("§{address: 'b:1', backup: on, tier: 0}", "", "`backup` and `tier` say different things"),
    listener("bind: 'unix:/a', tcp: §{quickack: off}", ".tcp", "every bind of this listener is a unix socket"),
    listener(
        f"bind: §[{', '.join(f'10.0.0.{n}:1' for n in range(65))}]", ".bind", "has 65 entries; at most 64"
    ),
    pool(
        "backends: [{address: 'a:1', weight: §0}, {address: 'b:1', weight: 0}]",
        ".backends",
        "every backend has weight 0",
    ),
]
TABLE = RANGES + UNITS + CHOICES + ADDRESSES + CROSS


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: f"{bad.path[-24:]}-{bad.text[:64]!r}"[:80])
def test_bad_value_is_refused_at_its_place(bad: Bad) -> None:
    check(bad)
