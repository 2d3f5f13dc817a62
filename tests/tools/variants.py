"""The same tests against other builds: with checks, with sanitizers, as wheels of other interpreters."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
SWITCHES = {"debug": {"NGINY_DEBUG": "1"}, "sanitize": {"NGINY_DEBUG": "1", "NGINY_SAN": "address,undefined"}}
SOURCES = ("nginy", "tests", "setup.py", "pyproject.toml", "README.md", "LICENSE")
INTERPRETERS = ("3.11", "3.12", "3.13")
SMOKE = "import nginy; from nginy._fast import door; print(nginy.__version__, door.LAYOUT_VERSION)"


def copy_sources(folder: Path) -> None:
    """A checkout's sources without anything built; a build in that folder is kept."""
    left_out = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    for name in SOURCES:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=left_out, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)


def runtimes() -> str:
    """The sanitizers' libraries, to be loaded before an interpreter that was not built with them."""
    found = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    return ":".join(found)


def check(kind: str, tests: Sequence[str]) -> bool:
    """Build this kind in a folder of its own and run the tests there. Whether all passed."""
    folder = ROOT / "build" / "variants" / kind
    folder.mkdir(parents=True, exist_ok=True)
    copy_sources(folder)
    environment = os.environ | SWITCHES[kind]
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    if subprocess.run(build, cwd=folder, env=environment, check=False).returncode:
        return False
    environment["PYTHONPATH"] = str(folder)
    if kind == "sanitize":
        # leaks are counted by the tests themselves; the interpreter's own are not ours to report
        environment |= {"LD_PRELOAD": runtimes(), "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode == 0


def interpreters() -> list[str]:
    """Of the supported versions, those that are here, each once."""
    found = [shutil.which(f"python{version}") for version in INTERPRETERS]
    homes = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [
        str(path) for version in INTERPRETERS for path in sorted(homes.glob(f"{version}.*/bin/python3"))
    ]
    by_version: dict[str, str] = {}
    for path in filter(None, found):
        asked = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0 and asked.stdout.strip():
            by_version.setdefault(asked.stdout.strip(), path)
    return [by_version[version] for version in sorted(by_version)]


def check_wheels() -> bool:
    """Each interpreter builds a wheel from the checkout, installs it where nothing else is, and imports it."""
    answers = [check_wheel(python) for python in interpreters()]
    return bool(answers) and all(answers)


def check_wheel(python: str) -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = folder / "sources"
        sources.mkdir()
        copy_sources(sources)
        steps = [
            [python, "-m", "venv", str(folder / "venv")],
            [str(folder / "venv/bin/pip"), "wheel", "-q", "--no-deps", "-w", str(folder), str(sources)],
        ]
        is_built = all(subprocess.run(step, cwd=folder, check=False).returncode == 0 for step in steps)
        wheels = list(folder.glob("nginy-*.whl"))
        return is_built and len(wheels) == 1 and check_installed(folder, wheels[0])


def check_installed(folder: Path, wheel: Path) -> bool:
    """The wheel brings no test code, and `nginy demo` works from it."""
    python = folder / "venv/bin/python"
    steps = [
        [str(folder / "venv/bin/pip"), "install", "-q", str(wheel)],
        [str(python), "-c", SMOKE],
        [
            str(python),
            "-c",
            "import importlib.util as u, sys\n"
            "sys.exit(any(u.find_spec(f'nginy._fast.{name}') for name in ('testdoor', 'testrings', 'testwire')))",
        ],
        [str(folder / "venv/bin/nginy"), "demo", "--requests", "3"],
    ]
    print(wheel.name, flush=True)
    return all(subprocess.run(step, cwd=folder, check=False).returncode == 0 for step in steps)
