"""`check`, `schema`, `run --check-only`, `simple --gen`: configuration without running it."""

import json
from pathlib import Path

import pytest

from nginy.cli.launch import simple_stem
from nginy.cli.main import run_cli
from nginy.config import parse_config

FINE = """
pools:
  api: {backends: ["127.0.0.1:1", "127.0.0.1:2"]}
  one: {backends: ["127.0.0.1:3"]}
listeners:
  web: {bind: "127.0.0.1:0", pool: api}
  db: {bind: "127.0.0.1:0", pool: one}
"""

BROKEN = """
pools:
  api: {backends: [{address: "127.0.0.1:1", wieght: 2}]}
listeners:
  web: {bind: "127.0.0.1:0", pool: apy}
"""

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("verb", [["check"], ["run", "--check-only"]])
def test_a_fine_file_is_summarised(home: Path, capsys: Capture, verb: list[str]) -> None:
    (home / "web.yaml").write_text(FINE)
    assert run_cli([*verb, "web.yaml"]) == 0
    assert capsys.readouterr().out == "web.yaml: fine (2 listeners, 2 pools, 3 backends)\n"


@pytest.mark.parametrize("verb", [["check"], ["run", "--check-only"], ["run"]])
def test_all_problems_are_listed_as_compilers_do(home: Path, capsys: Capture, verb: list[str]) -> None:
    (home / "web.yaml").write_text(BROKEN)
    assert run_cli([*verb, "web.yaml"]) == 2
    first, second, summary = capsys.readouterr().err.splitlines()
    assert first.startswith("web.yaml:3:45: pools.api.backends[0].wieght: ")
    assert "weight" in first
    assert second.startswith("web.yaml:5:36: listeners.web.pool: ")
    assert summary == "nginy: 2 problems in web.yaml"


def test_nginy_yaml_here_is_the_default(home: Path, capsys: Capture) -> None:
    (home / "nginy.yaml").write_text(FINE)
    assert run_cli(["check"]) == 0
    assert capsys.readouterr().out.startswith("nginy.yaml: fine")


@pytest.mark.parametrize("verb", ["check", "run", "status", "reload", "stop"])
def test_without_any_file_the_places_are_named(home: Path, capsys: Capture, verb: str) -> None:
    if Path("/etc/nginy/nginy.yaml").exists():
        pytest.skip("this machine has a configuration")
    assert run_cli([verb]) == 2
    assert "there is no nginy.yaml or /etc/nginy/nginy.yaml" in capsys.readouterr().err


def test_a_missing_file_is_one_message(home: Path, capsys: Capture) -> None:
    assert run_cli(["check", "gone.yaml"]) == 2
    err = capsys.readouterr().err
    assert "gone.yaml" in err
    assert "Traceback" not in err


def test_schema_is_json(capsys: Capture) -> None:
    assert run_cli(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["pools"]


def test_simple_gen_prints_what_it_would_run(home: Path, capsys: Capture) -> None:
    arguments = ["--bind", ":8080", "--backend", "127.0.0.1:80,[::1]:80", "--backend", "127.0.0.2:80"]
    assert run_cli(["simple", *arguments, "--policy", "least_conn", "--workers", "2", "--gen"]) == 0
    text = capsys.readouterr().out
    config = parse_config(text)
    assert [backend.address for backend in config.pools["simple"].backends] == [
        "127.0.0.1:80",
        "[::1]:80",
        "127.0.0.2:80",
    ]
    assert config.pools["simple"].policy.kind == "least_conn"
    assert config.pools["simple"].health is not None
    assert (
        config.listeners["simple"].bind
        == parse_config(FINE.replace("127.0.0.1:0", ":8080", 1)).listeners["web"].bind
    )
    assert config.runtime.workers == 2
    assert config.admin.socket is None


def test_simple_without_health(capsys: Capture) -> None:
    assert run_cli(["simple", "--bind", ":1", "--backend", "127.0.0.1:80", "--health", "off", "--gen"]) == 0
    assert parse_config(capsys.readouterr().out).pools["simple"].health is None


@pytest.mark.parametrize(("options", "kind"), [([], "udp"), (["--health", "dns"], "dns"), (["--health", "off"], None)])
def test_simple_with_udp(capsys: Capture, options: list[str], kind: str | None) -> None:
    arguments = ["--udp", "--bind", "127.0.0.1:5000-5002", "--backend", "127.0.0.1:53", *options]
    assert run_cli(["simple", *arguments, "--gen"]) == 0
    config = parse_config(capsys.readouterr().out)
    entry, health = config.listeners["simple"], config.pools["simple"].health
    assert (entry.protocol, len(entry.addresses)) == ("udp", 3)
    assert (health.kind if health else None) == kind


@pytest.mark.parametrize(
    ("bind", "protocol", "stem"),
    [
        (":80", "tcp", "simple-80.yaml"),
        (":80", "udp", "simple-udp-80.yaml"),
        (":5000-5100", "udp", "simple-udp-5000.yaml"),
        (":0", "tcp", "simple.yaml"),
        (":0", "udp", "simple-udp.yaml"),
        ("unix:/run/a", "tcp", "simple.yaml"),
    ],
)
def test_simple_has_a_control_socket_for_each_port_and_protocol(bind: str, protocol: str, stem: str) -> None:
    assert simple_stem(bind, protocol) == stem


def test_simple_with_routes(capsys: Capture) -> None:
    routes = ["--route", "/task=127.0.0.1:1,127.0.0.1:2", "--route", "/auth=127.0.0.1:3"]
    assert run_cli(["simple", "--bind", ":80", "--http", *routes, "--gen"]) == 0
    config = parse_config(capsys.readouterr().out)
    entry = config.listeners["simple"]
    assert (entry.protocol, [(route.path, route.pool) for route in entry.routes]) == (
        "http", [("/task", "simple-0"), ("/auth", "simple-1")],
    )  # fmt: skip
    assert [len(config.pools[name].backends) for name in entry.pools] == [2, 1]
    assert run_cli(["simple", "--bind", ":80", "--http", *routes, "--backend", "127.0.0.1:4", "--gen"]) == 0
    config = parse_config(capsys.readouterr().out)
    assert config.listeners["simple"].pools == ("simple-0", "simple-1", "simple")
    assert [backend.address for backend in config.pools["simple"].backends] == ["127.0.0.1:4"]


def test_simple_reports_a_bad_address_by_its_path(capsys: Capture) -> None:
    assert run_cli(["simple", "--bind", "127.0.0.1:1", "--backend", "nowhere", "--gen"]) == 2
    assert "pools.simple.backends[0]" in capsys.readouterr().err


def test_check_warns_of_what_is_probably_not_meant(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "nginy.yaml"
    routes = "[{path: /a, pool: one}, {path: /a, pool: api}]"
    file.write_text(FINE + f"  http: {{bind: '127.0.0.1:0', protocol: http, routes: {routes}}}\n")
    assert run_cli(["check", str(file)]) == 0
    said = capsys.readouterr()
    assert f"warning: {file}:8:79: listeners.http.routes[1]: this route is never taken" in said.err
    assert "fine (3 listeners" in said.out
