"""Options that several verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Verb = TypeVar("Verb", bound=Callable[..., Any])

FILE = click.Path(dir_okay=False, path_type=Path)


def running_options(verb: Verb) -> Verb:
    """How a verb finds the nginy that runs."""
    by_socket = click.option(
        "--socket", type=FILE, metavar="PATH", help="Control socket of the nginy that is meant."
    )
    by_config = click.option(
        "-c", "--config", type=FILE, metavar="FILE", help="Configuration file it was started with."
    )
    return by_socket(by_config(verb))
