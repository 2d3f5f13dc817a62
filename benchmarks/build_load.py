"""Compile the load generator into a cache folder, once per source and interpreter, and import it.

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

SOURCE = Path(__file__).with_name("_load.pyx")
DECLARATIONS = Path(__file__).with_name("_kernel.pxd")
ROOT = SOURCE.parents[1]


def cache_folder() -> Path:
    """The folder for this source and this interpreter."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(SOURCE.read_bytes() + DECLARATIONS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    return base / "nginy-bench" / key


def compile_load(folder: Path) -> Path:
    """Translate and compile; returns the built module's path.

    Raises CalledProcessError with the tool's output shown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    c_file = folder / "_load.c"
    built = folder / f"_load{sysconfig.get_config_var('EXT_SUFFIX')}"
    translate = [sys.executable, "-m", "cython", "-3", "-I", str(ROOT), "--module-name", "_load", str(SOURCE)]
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


def load_module() -> ModuleType:
    """The compiled module, built if it is not there yet."""
    folder = cache_folder()
    built = folder / f"_load{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not built.exists():
        built = compile_load(folder)
    spec = importlib.util.spec_from_file_location("_load", built)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {built}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
