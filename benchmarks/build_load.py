"""Compile a load generator into a cache folder, once per source and interpreter, and import it.

Needs Cython (the `bench` extra) and a C compiler. Nothing is written into the project's tree.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
TCP, UDP = "_load", "_datagrams"


def source_of(name: str) -> Path:
    """The Cython file of a load."""
    return FOLDER / f"{name}.pyx"


def cache_folder(name: str) -> Path:
    """The folder for this source, what it shares with others, and this interpreter."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parts = [source_of(name), *sorted(FOLDER.glob("_*.pxd"))]
    key = hashlib.sha256(b"".join(part.read_bytes() for part in parts) + sys.version.encode()).hexdigest()[:16]
    return base / "nginy-bench" / key


def compile_load(name: str, folder: Path) -> Path:
    """Translate and compile; returns the built module's path.

    Raises CalledProcessError with the tool's output shown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    c_file = folder / f"{name}.c"
    built = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    translate = [sys.executable, "-m", "cython", "-3", "-I", str(ROOT), "--module-name", name, str(source_of(name))]
    subprocess.run([*translate, "-o", str(c_file)], check=True)
    partial = built.with_suffix(f".{os.getpid()}")
    command = [
        "cc",
        "-O2",
        "-shared",
        "-fPIC",
        "-fwrapv",
        f"-I{sysconfig.get_paths()['include']}",
        str(c_file),
    ]
    subprocess.run([*command, "-o", str(partial)], check=True)
    partial.replace(built)
    return built


def load_module(name: str = TCP) -> ModuleType:
    """The compiled module, TCP or UDP, built if it is not there yet."""
    folder = cache_folder(name)
    built = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not built.exists():
        built = compile_load(name, folder)
    spec = importlib.util.spec_from_file_location(name, built)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {built}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
