"""Sticky cookies: clients stay with their backend, on every worker and after reloads; nobody forges a cookie."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartNginy, StartPeer
from tests.flow.test_http_routes import ask_on
from tests.tools.configs import Tree, tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer
from tests.tools.sockets import connect
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Stream, answering, text

N = 4
STICK = re.compile(r"[0-9a-f]{32}")


def saying(name: str, *fields: str) -> Any:
    """A backend that answers with its name and the cookies that it got."""

    def say(request: Message) -> bytes:
        cookies = "|".join(value for key, value in request.fields if key == "cookie")
        return text(f"{name} {cookies}".encode(), "HTTP/1.1 200 OK", *fields)

    return answering(say)


@pytest.fixture
def peers(start_peer: StartPeer) -> list[Peer]:
    return [start_peer(saying(str(number))) for number in range(N)]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("sixteen bytes or more\n")
    path.chmod(0o600)
    return path


def sticking(peers: list[Any], secret: Path | None, workers: int = 2, **sticky: Any) -> Tree:
    given = {"kind": "insert", **({"secret_file": str(secret)} if secret else {}), **sticky}
    backends = [peer.address if isinstance(peer, Peer) else peer for peer in peers]
    pool = {"sticky": given, "http": {"idle": "300ms"}}
    return tcp_config(backends, workers=workers, listener={"protocol": "http"}, pool=pool)


def ask(nginy: Nginy, *cookies: str, target: str = "/") -> Message:
    with connect(nginy.address()) as sock:
        return ask_on(Stream(sock), target, "a.org", *(f"Cookie: {cookie}" for cookie in cookies))


def met(answer: Message) -> tuple[str, str]:
    """The backend, and the cookies that it got."""
    assert answer.status == 200
    backend, _, cookies = answer.body.decode().partition(" ")
    return backend, cookies


def stick_of(answer: Message, name: str = "nginy") -> str:
    """What the response's own cookie says."""
    said = answer.get("set-cookie")
    assert said is not None
    found = re.match(rf"{name}=({STICK.pattern})(;|~|$)", said)
    assert found, said
    return found[1]


def counts(nginy: Nginy, pool: str = "back") -> dict[str, int]:
    row = next(row for row in nginy.status()["pools"] if row["name"] == pool)
    return row["http"].get("sticky", {})  # type: ignore[no-any-return]


def drained(peers: list[Peer], number: int, state: str) -> list[Any]:
    return [{"address": peer.address, "state": state} if at == number else peer for at, peer in enumerate(peers)]


def test_a_client_stays_on_every_worker_after_a_reload_and_after_a_restart(
    start_nginy: StartNginy, peers: list[Peer], secret: Path
) -> None:
    nginy = start_nginy(sticking(peers, secret))
    first = ask(nginy)
    backend, _ = met(first)
    cookie = f"nginy={stick_of(first)}"
    assert first.get("set-cookie") == f"{cookie}; Path=/; HttpOnly; SameSite=Lax"
    for _turn in range(10):
        again = ask(nginy, f"a=b; {cookie}")
        assert (met(again), again.get("set-cookie")) == ((backend, "a=b"), None)
    nginy.reload(sticking([*reversed(peers)], secret, secure=True, max_age="1h"))
    assert {met(ask(nginy, cookie)) for _turn in range(4)} == {(backend, "")}
    assert str(ask(nginy).get("set-cookie")).endswith("; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=3600")
    other = start_nginy(sticking([*peers[2:], *peers[:2]], secret, workers=1))
    assert {met(ask(other, cookie)) for _turn in range(4)} == {(backend, "")}
    assert counts(other) == {"kept": 4, "moved": 0, "set": 0, "forged": 0}


def test_a_drained_backend_keeps_its_clients_and_one_in_maint_does_not(
    start_nginy: StartNginy, peers: list[Peer], secret: Path
) -> None:
    nginy = start_nginy(sticking(peers, secret, workers=1))
    first = ask(nginy)
    backend, cookie = int(met(first)[0]), f"nginy={stick_of(first)}"
    nginy.reload(sticking(drained(peers, backend, "drain"), secret, workers=1))
    assert {met(ask(nginy, cookie))[0] for _turn in range(4)} == {str(backend)}
    assert str(backend) not in {met(ask(nginy))[0] for _turn in range(8)}
    nginy.reload(sticking(drained(peers, backend, "maint"), secret, workers=1))
    moved = ask(nginy, cookie)
    assert met(moved)[0] != str(backend)
    assert stick_of(moved) != cookie.removeprefix("nginy=")
    assert counts(nginy)["forged"] == 0


def test_a_client_moves_within_its_request_when_its_backend_is_dead(
    start_nginy: StartNginy, peers: list[Peer], secret: Path
) -> None:
    nginy = start_nginy(sticking(peers, secret, workers=1))
    first = ask(nginy)
    backend, cookie = met(first)[0], f"nginy={stick_of(first)}"
    peers[int(backend)].close()
    moved = ask(nginy, cookie)
    assert met(moved)[0] != backend
    assert {met(ask(nginy, f"nginy={stick_of(moved)}"))[0] for _turn in range(4)} == {met(moved)[0]}
    assert counts(nginy)["moved"] == 1


def test_a_full_backend_lets_its_client_go(start_nginy: StartNginy, peers: list[Peer], secret: Path) -> None:
    rows = [{"address": peer.address, "max_conns": 1} for peer in peers[:2]]
    nginy = start_nginy(sticking(rows, secret, workers=1))
    first = ask(nginy)
    with connect(nginy.address()) as sock:
        cookie = f"Cookie: nginy={stick_of(first)}"
        sock.sendall(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n{cookie}\r\n\r\n".encode())
        wait_until(lambda: 1 in [row["sessions_live"] for row in nginy.status()["pools"][0]["backends"]], "it is there")
        assert met(ask(nginy, f"nginy={stick_of(first)}"))[0] != met(first)[0]
        sock.sendall(b"x")
        assert met(Stream(sock).message())[0] == met(first)[0]


FORGED = ["0" * 32, "", "x", "g" * 32, "A" * 32, "0" * 31, "0" * 33]


def test_forged_cookies_are_ignored_counted_and_replaced(
    start_nginy: StartNginy, peers: list[Peer], secret: Path
) -> None:
    nginy = start_nginy(sticking(peers, secret, workers=1))
    good = stick_of(ask(nginy))
    tampered = [good[:at] + ("1" if good[at] == "0" else "0") + good[at + 1 :] for at in (0, 15, 16, 31)]
    for said in [*FORGED, *tampered, good.upper() if good.upper() != good else "x", good[16:] + good[:16]]:
        answer = ask(nginy, f"nginy={said}; a=b")
        assert STICK.fullmatch(stick_of(answer))
        assert met(answer)[1] == "a=b"  # backends never see it
    assert counts(nginy)["forged"] == len(FORGED) + len(tampered) + 2
    assert len({met(ask(nginy, f"nginy={'0' * 32}"))[0] for _turn in range(2 * N)}) == N  # the policy chooses


def test_another_secret_and_another_name_make_other_cookies(
    start_nginy: StartNginy, peers: list[Peer], secret: Path
) -> None:
    nginy = start_nginy(sticking(peers[:1], secret, workers=1))
    first = stick_of(ask(nginy))
    nginy.reload(sticking(peers[:1], secret, workers=1, name="other"))
    assert stick_of(ask(nginy), "other") != first
    secret.write_text("another sixteen bytes\n")
    nginy.reload(sticking(peers[:1], secret, workers=1))
    assert stick_of(ask(nginy)) != first


def test_a_drawn_secret_outlives_reloads(start_nginy: StartNginy, peers: list[Peer]) -> None:
    nginy = start_nginy(sticking(peers, None))
    first = ask(nginy)
    nginy.reload(sticking(peers, None, max_age="1h"))
    cookie = f"nginy={stick_of(first)}"
    assert {met(ask(nginy, cookie))[0] for _turn in range(6)} == {met(first)[0]}
    assert "a secret was drawn" in nginy.log()


ODD = [
    ("{c}", ""), ("a=b; {c}; d=e", "a=b; d=e"), ("{c}; d=e", "d=e"), ("a=b; {c}", "a=b"), ("a=b;{c};d=e", "a=b;d=e"),
    ("{c}; {c}", ""), ("x{c}; {c}", "x{c}"), ("a; {c}; =b", "a; =b"), ('a="{c}"', 'a="{c}"'), (" ;; {c} ;", ""),
]  # fmt: skip


def test_only_our_cookie_is_taken_out(start_nginy: StartNginy, peers: list[Peer], secret: Path) -> None:
    nginy = start_nginy(sticking(peers[:1], secret, workers=1))
    cookie = f"nginy={stick_of(ask(nginy))}"
    for given, left in ODD:
        assert met(ask(nginy, given.format(c=cookie)))[1] == left.format(c=cookie), given
    assert met(ask(nginy, "a=b", cookie, "d=e"))[1] == "a=b; d=e"
    assert met(ask(nginy, "a=b", "d=e"))[1] == "a=b|d=e"  # as they came


def test_every_request_of_a_connection_goes_by_its_own_cookie(
    start_nginy: StartNginy, peers: list[Peer], secret: Path
) -> None:
    nginy = start_nginy(sticking(peers, secret, workers=1))
    known: dict[str, str] = {}
    while len(known) < N:
        answer = ask(nginy)
        known[met(answer)[0]] = stick_of(answer)
    with connect(nginy.address()) as sock:
        stream = Stream(sock)
        for backend in [*known, *reversed(known)]:
            answer = ask_on(stream, "/", "a.org", f"Cookie: nginy={known[backend]}")
            assert (met(answer)[0], answer.get("set-cookie")) == (backend, None)
    assert counts(nginy)["kept"] == 2 * N


def test_an_applications_cookie_gets_its_backend_in_front_and_loses_it_again(
    start_nginy: StartNginy, start_peer: StartPeer, secret: Path
) -> None:
    cookies = ("Set-Cookie: sid=abc; Path=/x", "X-A: b", "Set-Cookie: other=1", "Set-Cookie: sid=; Path=/y")
    peers = [start_peer(saying(str(number), *cookies)) for number in range(N)]
    nginy = start_nginy(sticking(peers, secret, kind="prefix", name="sid"))
    first = ask(nginy)
    said = [value for key, value in first.fields if key == "set-cookie"]
    stick = said[1][4:36]
    assert STICK.fullmatch(stick)
    assert said == ["other=1", f"sid={stick}~abc; Path=/x", f"sid={stick}~; Path=/y"]
    for given, got in [
        (f"sid={stick}~abc", "sid=abc"), (f"a=b; sid={stick}~abc; c=d", "a=b; sid=abc; c=d"), (f"sid={stick}~", "sid="),
        (f"sid = {stick}~abc ; x=y", "sid = abc ; x=y"),
    ]:  # fmt: skip
        assert {met(ask(nginy, given)) for _turn in range(4)} == {(met(first)[0], got)}
    for given in ("sid=abc", f"sid={'0' * 32}~abc", f"sid={stick}", f"other={stick}~abc"):
        assert {met(ask(nginy, given))[1] for _turn in range(4)} == {given}
    assert counts(nginy)["forged"] == 4


@pytest.mark.parametrize("way", ["group", "shares"])
def test_a_cookie_names_a_backend_of_any_pool_that_the_request_may_go_to(
    start_nginy: StartNginy, peers: list[Peer], secret: Path, way: str
) -> None:
    tree = sticking(peers[:2], secret)
    tree["pools"]["other"] = tree["pools"]["back"] | {"backends": [peer.address for peer in peers[2:]]}
    if way == "group":
        tree["pools"]["both"] = {"of": ["back", "other"]}
        tree["listeners"]["front"]["pool"] = "both"
    else:
        del tree["listeners"]["front"]["pool"]
        routes = [{"path": "/a", "pools": ["back", "other"]}, {"path": "/b", "pool": "back"}]
        tree["listeners"]["front"]["routes"] = routes
    nginy = start_nginy(tree)
    known: dict[str, str] = {}
    while len(known) < N:
        answer = ask(nginy, target="/a")
        known[met(answer)[0]] = stick_of(answer)
    for backend, stick in known.items():
        assert {met(ask(nginy, f"nginy={stick}", target="/a"))[0] for _turn in range(4)} == {backend}
    if way == "group":
        assert counts(nginy, "both")["kept"] == 4 * N
    if way == "shares":  # this route leads to no backend of the other pool
        assert met(ask(nginy, f"nginy={known['3']}", target="/b"))[0] in "01"


def test_responses_of_nginys_own_have_no_cookie(start_nginy: StartNginy, peers: list[Peer], secret: Path) -> None:
    nginy = start_nginy(sticking(peers[:1], secret, workers=1))
    peers[0].close()
    answer = ask(nginy)
    assert (answer.status, answer.get("set-cookie")) == (502, None)


def test_rules_for_headers_come_first(start_nginy: StartNginy, start_peer: StartPeer, secret: Path) -> None:
    peer = start_peer(saying("0", "Set-Cookie: sid=1", "Set-Cookie: other=2"))
    tree = sticking([peer], secret, workers=1)
    rules = [{"request": {"remove": ["Cookie"]}}, {"response": {"remove": ["Set-Cookie"]}}]
    tree["listeners"]["front"]["filters"] = rules
    nginy = start_nginy(tree)
    answer = ask(nginy)
    cookie = f"nginy={stick_of(answer)}"  # a rule is for what backends say
    assert [value for key, value in answer.fields if key == "set-cookie"] == [answer.get("set-cookie")]
    assert met(ask(nginy, f"a=b; {cookie}")) == ("0", "")
    tree["pools"]["back"]["sticky"] |= {"kind": "prefix", "name": "sid"}
    nginy.reload(tree)
    assert ask(nginy).get("set-cookie") is None
