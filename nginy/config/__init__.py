"""Text to model: load, check, compare, describe. Public names load on first use: importing this is light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nginy.config.check import config_from, load_config, parse_config
    from nginy.config.diff import Change, diff_configs
    from nginy.config.dump import to_yaml
    from nginy.config.schema import json_schema

__all__ = ["Change", "config_from", "diff_configs", "json_schema", "load_config", "parse_config", "to_yaml"]

_ROOMS = {
    "config_from": "check",
    "load_config": "check",
    "parse_config": "check",
    "Change": "diff",
    "diff_configs": "diff",
    "to_yaml": "dump",
    "json_schema": "schema",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"nginy.config.{_ROOMS[name]}"), name)
