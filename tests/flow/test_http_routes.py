"""Routes of HTTP with real workers: hosts, paths and conditions choose; paths are made anew; nginy answers itself."""

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.tools.configs import LOOPBACK, Tree
from tests.tools.nginy_process import Nginy
from tests.tools.peers import FullBacklog
from tests.tools.sockets import connect
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Seen, Stream, answering, text

MIB = 1 << 20


def routed(routes: list[Tree], workers: int = 1, listener: Tree | None = None, **pools: str) -> Tree:
    """A listener `front` with routes; pools by name, each with one backend."""
    front = {"bind": LOOPBACK, "protocol": "http", "routes": routes, **(listener or {})}
    return {
        "runtime": {"workers": workers, "drain": "2s"},
        "pools": {name: {"backends": [address], "http": {"idle": "300ms"}} for name, address in pools.items()},
        "listeners": {"front": front},
    }


def say_target(name: str) -> Any:
    """A backend that answers with its name and the target it was asked for."""
    return answering(lambda request: text(f"{name} {request.start.split()[1]}".encode()))


def ask(nginy: Nginy, target: str, host: str = "a.org", *fields: str, method: str = "GET") -> Message:
    with connect(nginy.address()) as sock:
        return ask_on(Stream(sock), target, host, *fields, method=method)


def ask_on(stream: Stream, target: str, host: str = "a.org", *fields: str, method: str = "GET") -> Message:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    stream.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
    return stream.message(of_head=method == "HEAD")


def said(nginy: Nginy, *given: str, **more: str) -> str:
    answer = ask(nginy, *given, **more)
    return answer.body.decode() if answer.status == 200 else str(answer.status)


def own(nginy: Nginy) -> dict[str, int]:
    return nginy.listener("front")["http"]["own"]  # type: ignore[no-any-return]


def test_hosts_paths_and_conditions_choose_the_pool(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    pools = {name: start_peer(say_target(name)).address for name in "abc"}
    nginy = start_nginy(routed([
        {"host": "api.org", "path": "/task", "method": "POST", "pool": "b"},
        {"host": "api.org", "path": "/task", "pool": "a"},
        {"host": "api.org", "path": "/task/deep", "header": "X-Beta: 1", "pool": "b"},
        {"host": "api.org", "exact": "/task/one", "pool": "c"},
        {"host": "api.org", "pattern": "/users/[0-9]+", "pool": "c"},
        {"host": "*.wild.org", "query": "x=1", "pool": "a"},
        {"host": "*.wild.org", "pool": "b"},
        {"path": "/all", "pool": "c"},
    ], **pools))  # fmt: skip
    with connect(nginy.address()) as sock:  # one connection for all of them
        stream = Stream(sock)
        for host, target, pool in [
            ("api.org", "/task", "a"), ("API.org:80", "/task/", "a"), ("api.org", "/task/1?q=/tasks", "a"),
            ("api.org", "/%74ask", "a"), ("api.org", "/tasks", ""), ("api.org", "/task/one", "c"),
            ("api.org", "/task/one/more", "a"), ("api.org", "/users/17", "c"), ("api.org", "/users/x", ""),
            ("api.org", "/task/deep", "a"), ("x.wild.org", "/?x=1", "a"), ("y.x.wild.org", "/", "b"),
            ("wild.org", "/all/there", "c"), ("elsewhere.org", "/", ""), ("api.org", "/all", ""),
        ]:  # fmt: skip
            answer = ask_on(stream, target, host)
            assert answer.body.decode() == (f"{pool} {target}" if pool else "404 Not Found\n"), (host, target)
        assert ask_on(stream, "/task", "api.org", "Content-Length: 0", method="POST").body == b"b /task"
        assert ask_on(stream, "/task/deep/x", "api.org", "x-beta: 1").body == b"b /task/deep/x"
    assert own(nginy) == {"no_route": 4}


def test_backends_see_the_path_that_the_route_makes(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    nginy = start_nginy(routed([
        {"path": "/task", "pool": "a", "strip": "on"},
        {"path": "/old", "pool": "a", "rewrite": "/new"},
        {"exact": "/one", "pool": "a", "rewrite": "/two"},
        {"pattern": "/u/[0-9]+", "pool": "a", "add": "/v2"},
        {"pool": "a"},
    ], a=start_peer(say_target("a")).address))  # fmt: skip
    for target, seen in {
        "/task": "/", "/task/": "/", "/task/1": "/1", "/task/1?x=/task": "/1?x=/task", "/task?y": "/?y",
        "/%74ask/b%20c": "/b%20c", "/old": "/new", "/old/a": "/new/a", "/one": "/two", "/u/1": "/v2/u/1",
        "http://a.org/task/2": "/2", "http://a.org": "/", "/tasks": "/tasks",
    }.items():  # fmt: skip
        assert said(nginy, target) == f"a {seen}", target
    assert said(nginy, "*", method="OPTIONS") == "a *"


def test_unclear_paths_are_refused_and_reach_nobody(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    seen = Seen()
    routes = [{"path": "/open", "pool": "a"}, {"path": "/shut", "respond": {"status": 403}}]
    nginy = start_nginy(routed(routes, a=start_peer(answering(text(), seen)).address))
    targets = ["/open/../shut", "/open%2f..%2fshut", "/open/%2e%2e/shut", "/x%2f..%2fshut", "/open%zz", "/open/..;/x"]
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for target in targets:
            answer = ask_on(stream, target)
            assert (answer.status, answer.body) == (400, b"400 Bad Request\n"), target
        assert ask_on(stream, "/open").status == 200
    assert [request.start for request in seen.requests] == ["GET /open HTTP/1.1"]
    assert own(nginy) == {"unclear_path": len(targets)}


def test_weights_share_requests_among_pools(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    pools = {name: start_peer(say_target(name)).address for name in "ab"}
    shares = [{"pool": "a", "weight": 1}, {"pool": "b", "weight": 3}]
    nginy = start_nginy(routed([{"pools": shares}], **pools))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        met = [ask_on(stream, "/").body[:1] for _ in range(400)]
    assert 40 <= met.count(b"a") <= 170  # a hundred; eight standard deviations away


def test_nobody_of_the_pool_is_no_reason_to_go_elsewhere(start_nginy: StartNginy, start_peer: StartPeer) -> None:
    seen = Seen()
    config = routed(
        [{"path": "/down", "pool": "a"}, {"pool": "b"}],
        a="127.0.0.1:1", b=start_peer(answering(text(), seen)).address,
    )  # fmt: skip
    config["pools"]["a"]["backends"] = [{"address": "127.0.0.1:1", "state": "maint"}]
    nginy = start_nginy(config)
    assert ask(nginy, "/down").status == 503
    assert (seen.requests, own(nginy)) == ([], {"no_backend": 1})


# ---- nginy answers itself ----


def filed(folder: Path, body: bytes) -> Tree:
    (folder / "body").write_bytes(body)
    return {"file": str(folder / "body")}


@pytest.mark.parametrize("size", [0, 5, 65_536, MIB])
def test_a_route_may_be_a_response(start_nginy: StartNginy, tmp_path: Path, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    respond = {"headers": ["Content-Type: text/plain", "X-A: b"], **filed(tmp_path, body)}
    nginy = start_nginy(routed([{"respond": respond}]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for method in ("GET", "HEAD", "GET", "PURGE"):
            answer = ask_on(stream, "/", method=method)
            assert (answer.status, answer.get("x-a"), answer.get("content-length")) == (200, "b", str(size))
            assert answer.body == (b"" if method == "HEAD" else body)
        stream.sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = stream.message()
        assert (answer.get("connection"), len(answer.body)) == ("close", size)
        assert sock.recv(1) == b""
    assert own(nginy) == {"responded": 5}


def test_responses_to_requests_with_bodies_keep_the_connection_when_all_is_there(start_nginy: StartNginy) -> None:
    nginy = start_nginy(routed([{"respond": {"status": 410, "body": "gone"}}]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(3):
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            answer = stream.message()
            assert (answer.status, answer.body, answer.start) == (410, b"gone", "HTTP/1.1 410 Gone")
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nnot all of it")
        assert stream.message().get("connection") == "close"


def test_statuses_without_bodies_have_no_length(start_nginy: StartNginy) -> None:
    nginy = start_nginy(routed([{"respond": {"status": 204}}]))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for _ in range(2):
            answer = ask_on(stream, "/")
            assert (answer.status, answer.get("content-length")) == (204, None)


def test_a_client_that_does_not_read_gets_its_response_later_and_holds_nobody_up(
    start_nginy: StartNginy, tmp_path: Path
) -> None:
    body = bytes(range(256)) * (MIB // 256)
    nginy = start_nginy(routed([{"path": "/small", "respond": {"body": "s"}}, {"respond": filed(tmp_path, body)}]))
    n_asked = 40
    with connect(nginy.address()) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * n_asked)  # more than the kernel takes
        wait_until(lambda: nginy.listener("front")["bytes_out"] > MIB, "the kernel's buffers take some")
        assert said(nginy, "/small") == "s"
        assert own(nginy)["responded"] < n_asked
        stream = Stream(slow)
        for _ in range(n_asked):
            assert stream.message().body == body
    assert own(nginy)["responded"] == n_asked + 1


def test_a_response_whose_routes_have_changed_under_it_looks_cut_short(start_nginy: StartNginy, tmp_path: Path) -> None:
    config = routed([{"respond": filed(tmp_path, b"x" * MIB)}])
    nginy = start_nginy(config)
    with connect(nginy.address()) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 40)
        stream = Stream(slow)
        assert stream.message().body == b"x" * MIB
        wait_until(lambda: nginy.listener("front")["bytes_out"] > 2 * MIB, "the kernel's buffers take some")
        filed(tmp_path, b"y" * MIB)
        nginy.reload(config)
        with pytest.raises((EOFError, ConnectionError)):
            for _ in range(39):
                assert set(stream.message().body) == {ord("x")}
    assert said(nginy, "/") == "y" * MIB


def test_redirects_name_the_place(start_nginy: StartNginy) -> None:
    nginy = start_nginy(routed([
        {"path": "/there", "redirect": "https://b.org/x?y=1"},
        {"path": "/task", "redirect": {"scheme": "https", "status": 308}},
        {"path": "/old", "redirect": {"host": "new.org", "status": 301}, "rewrite": "/new"},
        {"path": "/page", "redirect": {"path": "/other"}},
    ]))  # fmt: skip
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for target, status, place in [
            ("/there/z", 302, "https://b.org/x?y=1"), ("/task/1?q", 308, "https://a.org/task/1?q"),
            ("/old/1?q", 301, "http://new.org/new/1?q"), ("/page", 302, "http://a.org:81/other"),
        ]:  # fmt: skip
            answer = ask_on(stream, target, "a.org:81")
            assert (answer.status, answer.get("location"), answer.body) == (status, place, b"")
        sock.sendall(b"GET /page HTTP/1.0\r\n\r\n")
        assert stream.message().get("location") == "/other"
    assert own(nginy) == {"redirected": 5}


# ---- other routes while requests pass ----


def test_no_request_meets_the_pool_of_one_generation_with_the_path_of_another(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    pools = {name: start_peer(say_target(name)).address for name in "ab"}
    configs = [
        routed([{"path": "/x", "pool": "a", "rewrite": "/for-a"}], workers=2, **pools),
        routed([{"path": "/x", "pool": "b", "rewrite": "/for-b"}], workers=2, **pools),
    ]
    nginy = start_nginy(configs[0])
    address = nginy.address()
    met: list[bytes] = []
    is_over = threading.Event()

    def visit() -> None:
        while not is_over.is_set():
            with connect(address) as sock:
                stream = Stream(sock)
                for _ in range(20):
                    met.append(ask_on(stream, "/x/1").body)

    threads = [threading.Thread(target=visit) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(20):
            nginy.reload(configs[(turn + 1) % 2])
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert set(met) == {b"a /for-a/1", b"b /for-b/1"}
    assert own(nginy) == {}


def test_a_request_that_waits_for_its_backend_goes_where_the_new_routes_say(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    good, wrong = (start_peer(say_target(name)).address for name in ("good", "wrong"))
    listener = {"timeouts": {"connect": "1s"}}
    with FullBacklog() as nowhere:
        pools = {"a": nowhere.address, "b": good}
        nginy = start_nginy(routed([{"path": "/x", "pool": "a", "strip": "on"}], listener=listener, **pools))
        with connect(nginy.address()) as sock:
            sock.sendall(b"GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: nginy.listener("front")["http"]["requests"] == 1, "it waits")
            changed = routed([{"path": "/x", "pool": "b", "rewrite": "/y"}], listener=listener, **pools)
            changed["pools"]["a"]["backends"].append(wrong)
            nginy.reload(changed)
            assert Stream(sock).message().body == b"good /y/1"


def test_a_kept_connection_is_served_by_the_routes_of_each_request(
    start_nginy: StartNginy, start_peer: StartPeer
) -> None:
    pools = {name: start_peer(say_target(name)).address for name in "ab"}
    nginy = start_nginy(routed([{"pool": "a"}], **pools))
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        assert ask_on(stream, "/").body == b"a /"
        nginy.reload(routed([{"path": "/b", "pool": "b", "strip": "on"}], **pools))
        assert ask_on(stream, "/").status == 404
        assert ask_on(stream, "/b/c").body == b"b /c"
        config = routed([], listener={"pool": "a"}, **pools)
        del config["listeners"]["front"]["routes"]
        nginy.reload(config)
        assert ask_on(stream, "/b/c").body == b"a /b/c"
