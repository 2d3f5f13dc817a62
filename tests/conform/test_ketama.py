"""Ring(compat="ketama") against the digest that libketama's own test publishes."""

import hashlib

from nginy.balancer import Ring

# The server list of libketama (ketama.servers), and the MD5 of what its ketama_test prints for it: an empty line, then
# hash, point and server of the keys "0" to "999999". https://github.com/RJ/ketama/blob/master/libketama/test.sh
SERVERS = {
    "10.0.1.1:11211": 600, "10.0.1.2:11211": 300, "10.0.1.3:11211": 200, "10.0.1.4:11211": 350,
    "10.0.1.5:11211": 1000, "10.0.1.6:11211": 800, "10.0.1.7:11211": 950, "10.0.1.8:11211": 100,
}  # fmt: skip
DIGEST = "5672b131391f5aa2b280936aec1eea74"
POINTS = 1264


def lines_of(ring: Ring, key: str) -> str:
    key_hash, point = ring.point(key)
    return f"{key_hash} {point} {ring[key]}\n"


def test_million_keys_give_libketamas_digest() -> None:
    ring = Ring(SERVERS, compat="ketama")
    assert ring.n_points == POINTS
    digest = hashlib.md5(b"\n")
    for first in range(0, 1_000_000, 10_000):
        lines = [lines_of(ring, str(number)) for number in range(first, first + 10_000)]
        digest.update("".join(lines).encode())
    assert digest.hexdigest() == DIGEST


def test_shares_follow_the_servers_memory_within_a_tenth() -> None:
    """libketama's own measure: the sum of the differences between expected and observed shares."""
    shares = Ring(SERVERS, compat="ketama").distribution()
    total = sum(SERVERS.values())
    assert sum(abs(shares[server] - memory / total) for server, memory in SERVERS.items()) < 0.1
