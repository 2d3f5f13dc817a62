"""Walks nginy/_fast into one extension per file. Switches: NGINY_DEBUG=1, NGINY_SAN=address,undefined, NGINY_JOBS=n."""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("NGINY_DEBUG", "0") not in ("", "0")
SANITIZERS = os.environ.get("NGINY_SAN", "")
JOBS = int(os.environ.get("NGINY_JOBS", "0")) or os.cpu_count() or 1
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": False,
    "binding": False,
    "legacy_implicit_noexcept": False,
    "freethreading_compatible": False,
}
COMPILE = ["-O1" if DEBUG or SANITIZERS else "-O2", "-g1"]
COMPILE += ["-fwrapv", "-fno-strict-aliasing", "-fstack-protector-strong"]
COMPILE += ["-Wno-unused-function", "-Wno-unused-variable", "-Wno-unused-const-variable"]
LINK = ["-Wl,-z,relro,-z,now"]
if SANITIZERS:
    COMPILE += [f"-fsanitize={SANITIZERS}", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    LINK += [f"-fsanitize={SANITIZERS}"]


def extensions() -> list[Extension]:
    # test*.pyx put the structures in front of pytest: built for a development install, left out of wheels.
    is_wheel = "bdist_wheel" in sys.argv
    sources = [p for p in sorted(Path("nginy/_fast").rglob("*.pyx")) if not (is_wheel and p.stem.startswith("test"))]
    return [
        Extension(
            ".".join(source.with_suffix("").parts),
            [str(source)],
            include_dirs=["nginy/_fast/base"],
            define_macros=[("_GNU_SOURCE", None)] + ([("NGINY_DEBUG", "1")] if DEBUG else []),
            extra_compile_args=COMPILE,
            extra_link_args=LINK,
            depends=["nginy/_fast/base/compat.h", "nginy/_fast/base/slots.h"],
        )
        for source in sources
    ]


class ParallelBuild(build_ext):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or JOBS


setup(
    ext_modules=cythonize(
        extensions(), build_dir="build/cython", compiler_directives=DIRECTIVES, nthreads=JOBS if JOBS > 1 else 0,
        show_all_warnings=False,
    ),
    cmdclass={"build_ext": ParallelBuild},
)
