"""`nginy reload` and `nginy stop`: say something to the nginy that runs."""

from pathlib import Path

import click

from nginy.admin.client import ControlClient
from nginy.cli.check import count_of
from nginy.cli.files import find_socket
from nginy.cli.options import running_options
from nginy.errors import ControlError


@click.command()
@running_options
def reload(socket: Path | None, config: Path | None) -> None:
    """Read the configuration file again and apply what changed. Open sessions live on."""
    with ControlClient(find_socket(socket, config)) as client:
        report = client.call("reload")
    changes = report["changes"]
    told = count_of(len(changes), "change") if changes else "nothing changed"
    click.echo(f"generation {report['generation']}: {told}")
    for change in changes:
        click.echo(f"  {change}")
    for warning in report["warnings"]:
        click.echo(f"{click.style('warning:', fg='yellow')} {warning}", err=True)
    if report["late_workers"]:
        late = ", ".join(str(slot) for slot in report["late_workers"])
        click.echo(f"{click.style('warning:', fg='yellow')} not adopted yet by worker {late}", err=True)


@click.command()
@running_options
@click.option("--now", is_flag=True, help="Cut open sessions instead of letting them finish.")
@click.option("--no-wait", is_flag=True, help="Return at once instead of when it has ended.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Wait at most this long.",
)
def stop(socket: Path | None, config: Path | None, now: bool, no_wait: bool, timeout_s: float | None) -> None:
    """Let open sessions finish within runtime.drain, then end."""
    with ControlClient(find_socket(socket, config)) as client:
        client.call("stop", now=now)
        if no_wait:
            click.echo("stopping")
            return
        if not now:
            click.echo("draining…")
        if not client.wait_end(timeout_s):
            raise ControlError(f"still running after {timeout_s:g} s")
    click.echo("stopped")
