"""Tree to model: the public ways in. Every problem of a configuration is reported in one ConfigError."""

from __future__ import annotations

import os
from collections.abc import Mapping as AnyMapping
from pathlib import Path as FilePath
from typing import Any

from nginy.config.calls import check_calls
from nginy.config.cross import check_all
from nginy.config.include import read_document, read_file
from nginy.config.inherit import inheritance
from nginy.config.objects import read_object
from nginy.config.read import INVALID, Reader
from nginy.config.shape import Shape
from nginy.config.tree import Mapping, Place, Problems, describe
from nginy.errors import ConfigError, ConfigProblem
from nginy.model import Config


def load_config(
    path: str | os.PathLike[str], *, env: AnyMapping[str, str] | None = None, imports: bool = True,
    warnings: list[ConfigProblem] | None = None,
) -> Config:
    """Read a YAML or JSON file, and what it includes.

    env: variables for ${NAME}, os.environ unless given.   Blocks on files.
    imports: see whether classes that policies name can be had, in a child process that imports them.
    warnings: a list that takes what is allowed and probably not meant.
    Errors: ConfigError with every problem that was found, each with file, line and column.
    """
    problems = Problems()
    root = read_file(os.fspath(path), os.environ if env is None else env, problems)
    config = _config(root, problems, os.path.dirname(os.path.abspath(path)), imports=imports)
    if warnings is not None:
        warnings += problems.warnings
    return config


def parse_config(
    given: str | AnyMapping[str, Any], *, name: str = "<config>", env: AnyMapping[str, str] | None = None
) -> Config:
    """Read a YAML or JSON text, or the same tree as Python objects. name: stands for the file in problems.

    env: variables for ${NAME}, os.environ unless given.   `include` is refused: a text has no folder.
    Errors: ConfigError with every problem that was found.
    """
    problems = Problems()
    env = os.environ if env is None else env
    if isinstance(given, str):
        return _config(read_document(given, name, env, problems), problems)
    return _config(_object_tree(given, name, env, problems), problems)


def config_from(given: Config | AnyMapping[str, Any] | str | os.PathLike[str]) -> Config:
    """The checked configuration for whatever a program holds: a model, a dict, or the path of a file.

    A model is checked too: objects made in Python have not met the checks between them, nor `defaults`.
    Errors: ConfigError with every problem that was found.
    """
    if isinstance(given, (str, FilePath, os.PathLike)):
        return load_config(given)
    if not isinstance(given, Config):
        return parse_config(given)
    problems = Problems()
    return _config(_object_tree(given, "<config>", None, problems), problems)


def _object_tree(
    given: Any, name: str, env: AnyMapping[str, str] | None, problems: Problems
) -> Mapping | None:
    root = read_object(given, name, env, problems)
    if root is None or isinstance(root, Mapping):
        return root
    problems.add(root.place, (), f"expected a mapping, got {describe(root)}")
    return None


def _config(root: Mapping | None, problems: Problems, folder: str = "", *, imports: bool = True) -> Config:
    """folder: where classes that the configuration names are looked for first; the current one unless given."""
    config: Any = None
    if root is not None:
        reader = Reader(problems, inheritance)
        at = Place(root.place.file, *((1, 1) if root.place.line else ()))
        config = reader.read(root, Shape("mapping", model=Config), (), at)
        check_all(root, reader)
        if imports:
            check_calls(reader.met, problems, folder or os.getcwd())
    if len(problems) or config is INVALID or config is None:
        raise ConfigError(_in_order(problems))
    assert isinstance(config, Config)
    return config


def _in_order(problems: Problems) -> list[ConfigProblem]:
    """Each once, by file in the order of reading, then by line."""
    files: dict[str, int] = {}
    for problem in problems:
        files.setdefault(problem.file, len(files))
    return sorted(
        dict.fromkeys(problems), key=lambda problem: (files[problem.file], problem.line, problem.column)
    )
