"""What `status` answers is what docs/admin.md says."""

import json
import re
from dataclasses import replace
from pathlib import Path

from nginy._fast.door import DROPS, OUTCOMES, OWN, REASONS
from nginy.observe.recent import compared
from nginy.observe.status import status_tree
from tests.unit.observe.pictures import (
    BUCKETS,
    Source,
    backend,
    backend_counters,
    http_counters,
    http_listener,
    http_pool_counters,
    listener,
    listener_counters,
    pool,
    tls_counters,
    udp_counters,
    udp_listener,
    view,
    worker,
)

PAGE = Path(__file__).parents[3] / "docs" / "admin.md"


def busy_source() -> Source:
    """A picture in which every number is another one."""
    reasons = tuple(5 if name == "closed" else 2 if name == "idle" else 0 for name in REASONS)
    outcomes = tuple(4 if name == "connected" else 1 if name == "refused" else 0 for name in OUTCOMES)
    hist = (4,) + (0,) * (BUCKETS - 1)
    served = listener(
        counters=listener_counters(accepted=10, live=3, bytes_in=100, bytes_out=200, reasons=reasons)
    )
    counters = backend_counters(
        sessions=4,
        live=1,
        bytes_in=90,
        bytes_out=180,
        outcomes=outcomes,
        connect_us_sum=2000,
        connect_hist=hist,
    )
    return Source(
        view(listeners=(served,), pools=(pool("api", backend(counters=counters, last_check="200 OK")),))
    )


def test_listener_and_backend_tell_their_counters_by_name() -> None:
    tree = status_tree(busy_source())
    assert tree["listeners"] == [
        {
            "name": "web",
            "bind": ["127.0.0.1:80"],
            "addresses": ["127.0.0.1:32768"],
            "protocol": "tcp",
            "pool": "api",
            "pools": ["api"],
            "sessions": 10,
            "sessions_live": 3,
            "bytes_in": 100,
            "bytes_out": 200,
            "ends": {"closed": 5, "idle": 2},
            "datagrams": None,
            "http": None,
            "tls": None,
        }
    ]
    (found,) = tree["pools"][0]["backends"]
    assert found["attempts"] == {"connected": 4, "refused": 1}
    assert found["connect_ms_mean"] == 0.5
    assert found["last_check"] == "200 OK"


def test_a_udp_listener_tells_its_datagrams_and_why_some_were_dropped() -> None:
    drops = tuple(3 if name == "no_backend" else 0 for name in DROPS)
    counters = udp_counters(
        from_clients=10, to_backends=9, from_backends=8, to_clients=7, assured=4, kernel_drops=2, drops=drops
    )
    [found] = status_tree(Source(view(listeners=(udp_listener(datagrams=counters),))))["listeners"]
    assert found["protocol"] == "udp"
    assert found["datagrams"] == {
        "from_clients": 10,
        "to_backends": 9,
        "from_backends": 8,
        "to_clients": 7,
        "dropped": {"kernel": 2, "no_backend": 3},
        "flows_assured": 4,
        "receive_buffer_bytes": 4096,
    }


def test_an_http_listener_tells_its_requests_and_why_it_answered_itself() -> None:
    own = tuple(3 if name == "no_backend" else 0 for name in OWN)
    counters = http_counters(requests=9, responses=(0, 5, 0, 1, 0), own=own, retried=1, reused=4, rates_forgotten=2)
    [found] = status_tree(Source(view(listeners=(http_listener(requests=counters),))))["listeners"]
    assert found["http"] == {
        "requests": 9,
        "responses": {"2xx": 5, "4xx": 1},
        "own": {"no_backend": 3},
        "retried": 1,
        "reused": 4,
        "rates_forgotten": 2,
    }


def test_a_pool_of_requests_tells_what_clients_got() -> None:
    counters = http_pool_counters(
        responses=(0, 5, 0, 1, 2), own=2, unanswered=3, cut=1, retried=4, reused=6, bytes_in=10, bytes_out=20
    )
    [found, bare] = status_tree(Source(view(pools=(replace(pool(), requests=counters), pool("other")))))["pools"]
    assert found["http"] == {
        "responses": {"2xx": 5, "4xx": 1, "5xx": 2},
        "own": 2,
        "unanswered": 3,
        "cut": 1,
        "retried": 4,
        "reused": 6,
        "bytes_in": 10,
        "bytes_out": 20,
        "recent": None,
    }
    assert bare["http"] is None


def test_a_backend_that_was_never_connected_has_no_mean() -> None:
    assert status_tree(Source())["pools"][0]["backends"][0]["connect_ms_mean"] is None


def test_the_tree_is_json() -> None:
    tree = status_tree(Source(view(workers=(worker(0), worker(1, state="down", pid=0)))))
    assert json.loads(json.dumps(tree)) == tree


def test_every_key_is_documented() -> None:
    text = PAGE.read_text()
    section = text[text.index("### What `status` answers") : text.index("## HTTP")]
    known = set(re.findall(r"`([a-z0-9_]+)", section))
    tree = status_tree(busy_source())
    keys = set(tree) | set(tree["workers"][0]) | set(tree["listeners"][0]) | set(tree["pools"][0])
    keys |= set(tree["pools"][0]["backends"][0])
    keys |= set(status_tree(Source(view(listeners=(udp_listener(),))))["listeners"][0]["datagrams"])
    keys |= set(status_tree(Source(view(listeners=(http_listener(),))))["listeners"][0]["http"])
    secure = listener(handshakes=tls_counters())
    keys |= set(status_tree(Source(view(listeners=(secure,))))["listeners"][0]["tls"])
    site = replace(pool(), requests=http_pool_counters())
    keys |= set(status_tree(Source(view(pools=(site,))))["pools"][0]["http"])
    keys |= set(compared(http_pool_counters(), http_pool_counters(), 1.0) or ())
    assert keys - known == set()
