"""`nginy check` and `nginy schema`: configuration without running it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nginy.cli.files import find_config
from nginy.cli.options import FILE

if TYPE_CHECKING:
    from nginy.errors import ConfigProblem
    from nginy.model import Config


@click.command()
@click.argument("file", type=FILE, required=False)
def check(file: Path | None) -> None:
    """Check a configuration file and list every problem in it."""
    from nginy.config import load_config

    path = find_config(file)
    warnings: list[ConfigProblem] = []
    config = load_config(path, warnings=warnings)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(summarise(path, config))


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    import json

    from nginy.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def summarise(path: Path, config: "Config") -> str:
    """One line about a configuration that is fine."""
    backends = sum(len(pool.backends) for pool in config.pools.values())
    parts = [
        count_of(len(config.listeners), "listener"),
        count_of(len(config.pools), "pool"),
        count_of(backends, "backend"),
    ]
    return f"{path}: fine ({', '.join(parts)})"


def count_of(count: int, noun: str) -> str:
    """`1 pool`, `2 pools`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
