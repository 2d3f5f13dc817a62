"""How verbs end: exit codes, one clear message, never a traceback."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import nginy
from nginy.cli.main import VERBS, run_cli

ROOT = Path(__file__).parents[3]
START_MAX_S = 0.6


def test_version_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["version"]) == 0
    assert capsys.readouterr().out == f"nginy {nginy.__version__}\n"


def test_version_verbose_names_what_it_runs_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["version", "-v"]) == 0
    out = capsys.readouterr().out
    for part in ("python", "uvloop", "pydantic", "click"):
        assert f"\n  {part} " in out


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["--help"]) == 0
    out = capsys.readouterr().out
    assert [verb for verb in VERBS if f"\n  {verb} " not in out] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli([verb, "--help"]) == 0
    assert f"Usage: nginy {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["version", "--loud"],
        ["simple"],
        ["simple", "--bind", ":80"],
        ["simple", "--bind", ":80", "--backend", "a:80", "--route", "/a=b:80"],
        ["simple", "--bind", ":80", "--http", "--route", "a=b:80"],
        ["simple", "--bind", ":80", "--udp", "--http", "--backend", "a:80"],
        ["simple", "--bind", ":80", "--backend", "a:80", "--policy", "fair"],
        ["demo", "--requests", "0"],
        ["status", "-o", "xml"],
        ["check", "a", "b"],
    ],
)
def test_wrong_usage_is_2_and_says_how(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(arguments) == 2
    assert "Error:" in capsys.readouterr().err


def test_the_small_verbs_load_nothing_heavy() -> None:
    program = (
        "import sys; from nginy.cli.main import run_cli; code = run_cli(['version']); print(*sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    loaded = set(out.split())
    assert "click" in loaded
    assert loaded & {"pydantic", "rich", "yaml", "uvloop", "asyncio", "h11", "prometheus_client"} == set()


def test_version_starts_quickly() -> None:
    fastest_s = min(run_version_s() for _ in range(5))
    assert fastest_s < START_MAX_S


def run_version_s() -> float:
    """Seconds that `nginy version` takes."""
    began_s = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "nginy", "version"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    return time.monotonic() - began_s


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m nginy schema | head -c 10"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert len(done.stdout) == 10
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
