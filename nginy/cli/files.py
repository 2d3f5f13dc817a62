"""Which configuration file and which control socket a verb means."""

from pathlib import Path
from typing import Any

import click

from nginy.admin.client import socket_path
from nginy.errors import ConfigError

SEARCH = (Path("nginy.yaml"), Path("/etc/nginy/nginy.yaml"))


def find_config(given: Path | None) -> Path:
    """The file that was named, else the first of SEARCH that is there.

    Errors: click.UsageError when there is none.
    """
    if given:
        return given
    for candidate in SEARCH:
        if candidate.is_file():
            return candidate
    places = " or ".join(str(candidate) for candidate in SEARCH)
    raise click.UsageError(f"no configuration file: there is no {places}; name one")


def find_socket(socket: Path | None, config: Path | None) -> Path:
    """The control socket to talk to: the one named, else that of the configuration file.

    A file that is broken just now does not matter: the running nginy was started with it before.
    Errors: click.UsageError when there is nothing to go by; StartError for a path that is too long.
    """
    if socket:
        return socket
    path = find_config(config)
    if config and not path.exists():
        raise click.UsageError(f"there is no file {path}")
    return socket_path(configured_socket(path), path)


def configured_socket(path: Path) -> str | None:
    """`admin.socket` of the file, or None."""
    from nginy.config import load_config

    try:
        return load_config(path, imports=False).admin.socket
    except ConfigError:
        return _glean_socket(path)


def _glean_socket(path: Path) -> str | None:
    import yaml

    try:
        tree: Any = yaml.safe_load(path.read_bytes())
        admin = tree.get("admin") if isinstance(tree, dict) else None
        socket = admin.get("socket") if isinstance(admin, dict) else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return socket if isinstance(socket, str) else None
