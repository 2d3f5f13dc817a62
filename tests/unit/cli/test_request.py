"""`nginy route` for HTTP listeners of a file."""

import json
from pathlib import Path

import pytest

from nginy.cli.main import run_cli

CONFIG = """
pools: {a: {backends: ["127.0.0.1:1"]}, b: {backends: ["127.0.0.1:2"]}}
listeners:
  web:
    bind: "127.0.0.1:0"
    protocol: http
    routes:
    - {host: api.example.org, path: /task, header: "X-Beta: 1", pool: b}
    - {host: api.example.org, path: /task, pools: [{pool: a, weight: 3}, b], strip: on}
    - {host: www.example.org, redirect: {scheme: https}}
    - {respond: {status: 404, body: none}}
  db: {bind: "127.0.0.1:0", pool: a}
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "nginy.yaml").write_text(CONFIG)
    return str(tmp_path / "nginy.yaml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "api.example.org:80", "--path", "/task/1?x"],
         "routes[1], for /task\n  not routes[0]: it asks for another header\n"
         "  not routes[3]: the host has routes of its own\n→ pool a (75%), b (25%), as /1\n"
         "pool a (round_robin)\n→ 127.0.0.1:1\npool b (round_robin)\n→ 127.0.0.1:2\n"),
        (["--host", "api.example.org", "--path", "/task", "--header", "x-beta: 1"],
         "routes[0], for /task\n  not routes[1]: route 0 comes first\n"
         "  not routes[3]: the host has routes of its own\n→ pool b, as /task\n"
         "pool b (round_robin)\n→ 127.0.0.1:2\n"),
        (["--host", "www.example.org"],
         "routes[2], for any path\n  not routes[3]: the host has routes of its own\n→ 302 https://www.example.org/\n"),
        (["--method", "POST"], "routes[3], for any path\n→ 404, 4 bytes\n"),
        (["--host", "api.example.org", "--path", "/a/../task"], "no route\n→ 400: unclear_path\n"),
    ],
)  # fmt: skip
def test_what_a_request_gets(file: str, capsys: Capture, words: list[str], said: str) -> None:
    assert run_cli(["route", file, "-l", "web", *words]) == 0
    assert capsys.readouterr().out == f"listener web → {said}"


def test_the_backend_by_what_the_request_says(tmp_path: Path, capsys: Capture) -> None:
    backends = [f"127.0.0.1:{port}" for port in range(1, 10)]
    keyed = {"kind": "ring", "key": {"kind": "cookie", "name": "sid"}}
    tree = {
        "pools": {"a": {"backends": backends, "policy": keyed}},
        "listeners": {"web": {"bind": "127.0.0.1:0", "protocol": "http", "pool": "a"}},
    }
    (tmp_path / "nginy.yaml").write_text(json.dumps(tree))
    met = set()
    for user in ("ann", "bob", "cleo", "dan"):
        asked = ["route", str(tmp_path / "nginy.yaml"), "--header", f"Cookie: x=y; sid={user}", "-o", "json"]
        assert run_cli(asked) == 0
        (found,) = json.loads(capsys.readouterr().out)["in_pools"]
        assert (found["pool"], found["policy"]) == ("a", "ring")
        assert found["key"] == f"{user.encode().hex()} ({user})"
        assert found["choices"][0]["address"] in found["place"]
        met.add(found["choices"][0]["address"])
    assert len(met) > 1
    assert run_cli(["route", str(tmp_path / "nginy.yaml"), "--src", "192.0.2.7"]) == 0
    assert "pool a (ring)\n" in capsys.readouterr().out


def test_the_same_as_json(file: str, capsys: Capture) -> None:
    assert run_cli(["route", file, "-l", "web", "-o", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["listener"], answer["route"], answer["respond"]) == ("web", 3, 404)


def test_a_request_to_another_listener_and_one_that_is_none_are_refused(file: str, capsys: Capture) -> None:
    assert run_cli(["route", file, "-l", "db", "--path", "/x"]) == 2
    assert "requests are for listeners with `protocol: http`" in capsys.readouterr().err
    assert run_cli(["route", file, "-l", "web", "--path", "x"]) == 1
    assert "does not begin with a slash" in capsys.readouterr().err
