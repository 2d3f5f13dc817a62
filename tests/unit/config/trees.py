"""Valid configurations drawn by hypothesis, in every form that a key can have."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

# No deadline: a busy machine is no bug. The example that failed is printed with what repeats it.
CALM = settings(deadline=None, database=None, print_blob=True)


def without_variables(text: str) -> bool:
    return "${" not in text


NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,9}", fullmatch=True)
WORDS = (
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=12)
    .filter(str.isprintable)
    .filter(without_variables)
)
DURATIONS = st.one_of(
    st.integers(1, 86_400).map(float),
    st.integers(1, 86_400),
    st.integers(1000, 86_400_000).map(lambda ms: f"{ms}ms"),
    st.integers(1, 86_400).map(lambda s: f"{s}s"),
    st.sampled_from(["1m", "1h30m", "1d", "1.5s", "90"]),
    st.floats(1.0, 86_400.0),
)
CHECK_TIMES = st.one_of(st.floats(0.01, 60.0), st.sampled_from(["10ms", "1s", "1m"]))
SWITCHES = st.sampled_from([True, False, "on", "off"])
CAPS = st.none() | st.integers(1, 2**31 - 1)
CONGESTIONS = st.none() | st.sampled_from(["cubic", "bbr", "reno", "off", "1"])
KEEPALIVES = st.one_of(st.sampled_from(["off", False, None, "1s", "9h"]), st.integers(1, 32_400))
POLICIES = st.sampled_from(["round_robin", "least_conn", "random2", "source_hash"])
POLICY_FORMS = POLICIES | POLICIES.map(lambda kind: {"kind": kind})


def keys(required: dict[str, Any] | None = None, **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required or {}, optional=optional)


TIMEOUTS = keys(connect=DURATIONS, idle=DURATIONS, half_close=DURATIONS, drain=DURATIONS | st.none())
RATES = st.none() | st.integers(1, 2**31 - 1) | st.integers(1, 10**9).map(lambda count: f"{count}/m") | st.just("7/s")
LIMITS = keys(sessions=CAPS, retries=st.integers(0, 7))
UDP_LIMITS = keys(
    sessions=CAPS,
    retries=st.integers(0, 7),
    flows_per_source=CAPS,
    flow_rate_per_source=RATES,
    flow_rate=RATES,
    datagram_rate=RATES,
    bandwidth=st.none() | st.integers(1, 2**40) | st.sampled_from(["100M", "1KiB"]),
)
COMMON_CHECKS: dict[str, Any] = {
    "interval": CHECK_TIMES,
    "jitter": st.floats(0, 1) | st.integers(0, 1),
    "timeout": CHECK_TIMES,
    "rise": st.integers(1, 1000),
    "fall": st.integers(1, 1000),
    "start": st.sampled_from(["unknown", "down"]),
    "on_down": st.sampled_from(["keep", "reset"]),
}
STATUSES = st.one_of(st.integers(100, 599), st.sampled_from(["200-299", "404", [200, "300-399"]]))
HTTP_CHECKS: dict[str, Any] = {
    "path": st.from_regex(r"/[!-~]{0,20}", fullmatch=True).filter(without_variables),
    "host": st.none() | st.from_regex(r"[!-~]{1,20}", fullmatch=True).filter(without_variables),
    "method": st.sampled_from(["GET", "HEAD"]),
    "expect": keys(status=STATUSES),
}
BYTES = st.binary(min_size=1, max_size=8).map(bytes.hex)
PAYLOADS = st.one_of(st.text(max_size=8).filter(without_variables), keys({"hex": BYTES}), keys({"text": WORDS}))
DNS_CODES = st.sampled_from(["NOERROR", "NXDOMAIN", "REFUSED"])
DNS_CHECKS: dict[str, Any] = {
    "name": st.sampled_from([".", "example.org", "Example.ORG.", "_sip._udp.a.test"]),
    "type": st.sampled_from(["A", "AAAA", "SOA"]),
    "rcode": DNS_CODES | st.lists(DNS_CODES, min_size=1, max_size=3),
}
UDP_CHECKS: dict[str, Any] = {
    "send": PAYLOADS | st.none(),
    "expect": keys(prefix=PAYLOADS | st.none(), contains=PAYLOADS, hex=BYTES | st.none()) | st.none(),
}
HEALTHS = st.one_of(
    st.sampled_from(["tcp", "http", "dns", "udp", "off", False, None]),
    keys({"kind": st.just("dns")}, **COMMON_CHECKS, **DNS_CHECKS),
    keys({"kind": st.just("udp")}, **COMMON_CHECKS, **UDP_CHECKS),
    keys({"kind": st.just("tcp")}, **COMMON_CHECKS),
    keys({"kind": st.just("http")}, **COMMON_CHECKS, **HTTP_CHECKS),
)
HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda ip: f"[{ip}]"),
    NAMES.filter(lambda name: not name.endswith("-")),
)
ADDRESSES = st.one_of(
    st.builds("{}:{}".format, HOSTS, st.integers(1, 65535)),
    st.from_regex(r"unix:/[ -~]{0,30}[!-.0-~]", fullmatch=True).filter(without_variables),
)
BACKENDS = st.one_of(
    ADDRESSES,
    keys(
        {"address": ADDRESSES},
        weight=st.integers(1, 65535),
        state=st.sampled_from(["ready", "drain", "maint"]),
        max_conns=CAPS,
        tier=st.integers(0, 255),
    ),
    keys({"address": ADDRESSES, "backup": SWITCHES}),
)


FRONT_TCP = keys(
    defer_accept=st.sampled_from(["off", False, None, "1s", "1h", 5, 60.0]),
    quickack=SWITCHES,
    fastopen=st.sampled_from(["off", False, None, 1, 16, 65535]),
    congestion=CONGESTIONS,
)
BACK_TCP = keys(quickack=SWITCHES, fastopen=SWITCHES, congestion=CONGESTIONS)
BACK_UDP = keys(proxy_protocol=st.sampled_from(["off", False, "flow", "datagram"]), transparent=SWITCHES)
SPLICES = st.sampled_from(["auto", "off", False])


def address_of(backend: Any) -> str:
    return str(backend if isinstance(backend, str) else backend["address"]).lower()


POOLS = keys(
    {"backends": st.lists(BACKENDS, min_size=1, max_size=5, unique_by=address_of)},
    policy=POLICY_FORMS,
    health=HEALTHS,
    resolve=DURATIONS,
    tcp=BACK_TCP | st.none(),
    udp=BACK_UDP | st.none(),
)
CID_MAPS = st.sampled_from([{"0a01": "10.9.9.9:53"}, {"0001": "U.test:53", "FFFF": "10.9.9.9:53"}])
CID_SERVERS = keys({"length": st.just(2), "map": CID_MAPS}, offset=st.integers(0, 6))
SESSION_KEYS = st.one_of(
    st.sampled_from(["tuple", "source", "quic_cid", {"kind": "tuple"}]),
    keys({"kind": st.just("bytes"), "length": st.integers(1, 32)}, offset=st.integers(0, 65475)),
    keys({"kind": st.just("quic_cid")}, length=st.integers(8, 20), server=CID_SERVERS | st.none()),
)
SESSIONS = st.one_of(
    keys(
        key=SESSION_KEYS,
        idle=DURATIONS,
        max=st.integers(1, 2**22 - 1),
        requests=CAPS,
        responses=st.none() | st.integers(0, 2**31 - 2),
        check=st.just("none"),
        reuse=st.sampled_from([False, "off"]),
    ),
    keys({"check": st.just("dns")}, requests=st.just(1), responses=st.none() | st.integers(0, 9)),
    keys(
        {"check": st.just("dns"), "reuse": st.sampled_from([True, "on"])} | {"per_datagram": st.just("on")},
        requests=st.just(1),
    ),
)
FRONT_UDP = keys(
    rcvbuf=st.sampled_from(["4M", 4096, "1GiB", "64k"]),
    gro=SWITCHES,
    proxy_protocol=st.sampled_from(
        ["off", False, None, {"from": "10.0.0.0/8"}, {"from": ["::1", "192.0.2.1", "2001:db8::/32"]}]
    ),
)
UDP_LISTENERS = keys(
    {
        "bind": st.sampled_from([":0", ["[::]:0", ":0"], ["127.0.0.1:0"]]),
        "pool": st.just("u"),
        "protocol": st.just("udp"),
    },
    session=SESSIONS | st.none(),
    udp=FRONT_UDP | st.none(),
    limits=UDP_LIMITS | st.none(),
    timeouts=keys(drain=DURATIONS | st.none()) | st.none(),
)
UDP_POOL: dict[str, Any] = {"backends": ["10.9.9.9:53", "u.test:53"], "udp": {"proxy_protocol": "flow"}}
PREREADS = st.one_of(
    st.sampled_from(["off", False, None, "tls_hello", 1, 16384]),
    keys({"until": st.sampled_from(["tls_hello", 16])}, timeout=DURATIONS),
)
LISTENERS = keys(
    {"bind": st.sampled_from([":0", "127.0.0.1:0", ["[::]:0", ":0"], ["127.0.0.1:0"]]), "pool": st.just("p")},
    protocol=st.just("tcp"),
    half_close=SWITCHES,
    timeouts=TIMEOUTS | st.none(),
    limits=LIMITS | st.none(),
    backlog=st.integers(1, 65535),
    keepalive=KEEPALIVES,
    splice=SPLICES,
    tcp=FRONT_TCP | st.none(),
    preread=PREREADS,
)
DEFAULTS = keys(
    timeouts=TIMEOUTS,
    limits=UDP_LIMITS,
    half_close=SWITCHES,
    keepalive=KEEPALIVES,
    splice=SPLICES,
    policy=POLICY_FORMS,
    health=HEALTHS,
    resolve=DURATIONS,
)
RUNTIMES = keys(
    workers=st.just("auto") | st.integers(1, 64),
    user=st.none() | WORDS,
    group=st.none() | WORDS,
    pid_file=st.none() | WORDS,
    drain=DURATIONS,
    log=keys(
        level=st.sampled_from(["debug", "info", "warning", "error"]), format=st.sampled_from(["text", "json"])
    ),
    access_log=st.sampled_from(
        ["off", False, "stdout", "/var/log/x", {"format": "logfmt"}, {"output": "a b"}]
    ),
    affinity=st.sampled_from(["off", "on", False, True]) | st.lists(st.integers(0, 8191), min_size=1, max_size=64),
    spin=SWITCHES,
    pipes=st.sampled_from([0, "0", "1MiB", "64MiB", 2**32, "4g"]),
    buffers=st.sampled_from(["128KiB", "64MiB", 131_072, "1g", "131073"]),
    sessions=CAPS,
)
ADMINS = keys(
    socket=st.sampled_from([None, "n.sock", "unix:/run/n.sock"]),
    http=st.sampled_from([None, "on", "off", True, False, {}, "127.0.0.1:0", {"bind": "[::1]:0"}]),
)
CONFIGS = keys(
    {
        "pools": st.builds(
            lambda pools, pool: pools | {"p": pool, "u": UDP_POOL},
            st.dictionaries(NAMES, POOLS, max_size=3),
            POOLS,
        ),
        "listeners": st.dictionaries(NAMES, LISTENERS | UDP_LISTENERS, min_size=1, max_size=3),
    },
    version=st.just(1),
    runtime=RUNTIMES | st.none(),
    defaults=DEFAULTS | st.none(),
    admin=ADMINS | st.none(),
)
