"""`nginy status`: the running nginy as tables for a person, or as JSON for a program."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nginy.admin.amounts import read_bytes, read_count, read_duration
from nginy.admin.client import ControlClient
from nginy.admin.pools import RECENT_HEADS, fallbacks_text, policy_text, recent_texts
from nginy.cli.check import count_of
from nginy.cli.files import find_socket
from nginy.cli.options import running_options

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_COLUMNS = 160
POOLS_SHOWN = 3  # of one listener
COLOURS = {
    "serving": "green",
    "ready": "green",
    "up": "green",
    "down": "bold red",
    "stopped": "red",
    "maint": "yellow",
    "drain": "yellow",
    "draining": "yellow",
    "reloading": "yellow",
    "starting": "yellow",
    "unknown": "yellow",
}
BLAMELESS = ("connected", "abandoned")
ORDINARY_OWN = ("responded", "redirected")
"""Responses of nginy's own that its routes ask for."""
ORDINARY_ENDS = frozenset(
    {
        "closed", "front_reset", "client_gone", "idle", "half_close_timeout", "drain_deadline", "stopped",
        "backend_removed",
    }
)  # fmt: skip


@click.command()
@running_options
@click.option("-o", "--output", type=click.Choice(("table", "json")), default="table", show_default=True)
def status(socket: Path | None, config: Path | None, output: str) -> None:
    """Show listeners, pools and backends."""
    with ControlClient(find_socket(socket, config)) as client:
        tree = client.call("status")
    if output == "json":
        click.echo(json.dumps(tree, indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_COLUMNS)
    show(console, tree)


def show(console: "Console", tree: dict[str, Any]) -> None:
    """Print the whole picture."""
    uptime = read_duration(tree["uptime_s"])
    workers = count_of(len(tree["workers"]), "worker")
    console.print(
        f"[bold]nginy[/] {tree['version']}  {paint(tree['state'])}  "
        f"generation {tree['generation']}  up {uptime}  {workers}  pid {tree['pid']}"
    )
    console.print()
    console.print(listener_table(tree["listeners"]))
    console.print()
    datagrams = [listener for listener in tree["listeners"] if listener["datagrams"] is not None]
    if datagrams:
        console.print(datagram_table(datagrams))
        console.print()
    requests = [listener for listener in tree["listeners"] if listener["http"] is not None]
    if requests:
        console.print(request_table(requests))
        console.print()
    answered = [pool for pool in tree["pools"] if pool["http"] is not None]
    if answered:
        console.print(answer_table(answered))
        console.print()
    console.print(backend_table(tree["pools"]))
    if has_trouble(tree["workers"]):
        console.print()
        console.print(worker_table(tree["workers"]))


def listener_table(listeners: Iterable[dict[str, Any]]) -> "Table":
    """Where clients come in."""
    table = new_table(
        "listener", "address", "protocol", "pool", numbers=("live", "sessions", "in", "out", "errors")
    )
    for listener in listeners:
        errors = sum(count for reason, count in listener["ends"].items() if reason not in ORDINARY_ENDS)
        table.add_row(
            plain(listener["name"]),
            plain("\n".join(listener["addresses"])),
            plain(listener["protocol"]),
            plain(pools_of(listener)),
            read_count(listener["sessions_live"]),
            read_count(listener["sessions"]),
            read_bytes(listener["bytes_in"]),
            read_bytes(listener["bytes_out"]),
            alarm(errors),
        )
    return table


def pools_of(listener: dict[str, Any]) -> str:
    """The first few of its pools."""
    names, more = listener["pools"][:POOLS_SHOWN], listener["pools"][POOLS_SHOWN:]
    return ", ".join(names) + (f" and {len(more)} more" if more else "")


def request_table(listeners: Iterable[dict[str, Any]]) -> "Table":
    """What HTTP clients asked, what backends answered, and what nginy answered in their place."""
    classes = ("1xx", "2xx", "3xx", "4xx", "5xx")
    table = new_table("http listener", numbers=("requests", *classes, "reused", "retried", "by routes", "errors"))
    for listener in listeners:
        counts = listener["http"]
        table.add_row(
            plain(listener["name"]),
            read_count(counts["requests"]),
            *(read_count(counts["responses"].get(kind, 0)) for kind in classes),
            read_count(counts["reused"]),
            read_count(counts["retried"]),
            read_count(sum(counts["own"].get(reason, 0) for reason in ORDINARY_OWN)),
            alarm(sum(count for reason, count in counts["own"].items() if reason not in ORDINARY_OWN)),
        )
        for reason, count in sorted(counts["own"].items(), key=lambda item: -item[1]):
            if reason not in ORDINARY_OWN:
                table.add_row(f"    [red]error: {plain(reason)} {read_count(count)}[/]")
    return table


def answer_table(pools: Iterable[dict[str, Any]]) -> "Table":
    """What clients of each pool got, and how fast in the last seconds."""
    classes = ("1xx", "2xx", "3xx", "4xx", "5xx")
    table = new_table("http pool", numbers=(*RECENT_HEADS, *classes, "unanswered", "cut", "retried"))
    for pool in pools:
        counts = pool["http"]
        table.add_row(
            plain(pool["name"]),
            *recent_texts(counts["recent"]),
            *(read_count(counts["responses"].get(kind, 0)) for kind in classes),
            *(read_count(counts[key]) for key in ("unanswered", "cut", "retried")),
        )
    return table


def datagram_table(listeners: Iterable[dict[str, Any]]) -> "Table":
    """What came and went where UDP is spoken, and what was dropped and why."""
    ways = ("from_clients", "to_backends", "from_backends", "to_clients")
    table = new_table(
        "udp listener", numbers=(*(way.replace("_", " ") for way in ways), "assured", "receive queue", "dropped")
    )
    for listener in listeners:
        counts = listener["datagrams"]
        table.add_row(
            plain(listener["name"]),
            *(read_count(counts[way]) for way in ways),
            read_count(counts["flows_assured"]),
            read_bytes(counts["receive_buffer_bytes"]),
            alarm(sum(counts["dropped"].values())),
        )
        for reason, count in sorted(counts["dropped"].items(), key=lambda item: -item[1]):
            table.add_row(f"    [red]dropped: {plain(reason)} {read_count(count)}[/]")
    return table


def backend_table(pools: Iterable[dict[str, Any]]) -> "Table":
    """Where they are sent, pool by pool."""
    table = new_table(
        "pool / backend", "state", "verdict", numbers=("live", "sessions", "in", "out", "failed")
    )
    for pool in pools:
        table.add_row(f"[bold]{plain(pool['name'])}[/] [dim]{plain(policy_text(pool))}[/]")
        fallbacks = fallbacks_text(pool)
        if fallbacks:
            table.add_row(f"    [red]by the fallback: {plain(fallbacks)}[/]")
        for backend in pool["backends"]:
            table.add_row(
                f"  {plain(backend_name(backend))}",
                paint(backend["state"]),
                paint(backend["verdict"]),
                read_count(backend["sessions_live"]),
                read_count(backend["sessions"]),
                read_bytes(backend["bytes_in"]),
                read_bytes(backend["bytes_out"]),
                alarm(failed_attempts(backend)),
            )
            if backend["verdict"] == "down" and backend["last_check"]:
                table.add_row(f"    [red]check: {plain(backend['last_check'])}[/]")
    return table


def worker_table(workers: Iterable[dict[str, Any]]) -> "Table":
    """Shown when something is odd about one of them."""
    table = new_table("worker", "state", numbers=("pid", "generation", "live", "deaths"))
    for worker in workers:
        table.add_row(
            str(worker["slot"]),
            paint(worker["state"]),
            str(worker["pid"]),
            str(worker["generation"]),
            read_count(worker["sessions_live"]),
            alarm(worker["deaths"]),
        )
    return table


def new_table(*texts: str, numbers: Iterable[str]) -> "Table":
    """An empty table: text columns, then number columns."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    for text in texts:
        table.add_column(text, overflow="fold")
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def backend_name(backend: dict[str, Any]) -> str:
    """The address, with what it resolved to if that is another."""
    resolved = backend["resolved"]
    name = (
        backend["address"]
        if resolved in (None, "", backend["address"])
        else f"{backend['address']} ({resolved})"
    )
    return f"{name} tier {backend['tier']}" if backend["tier"] else str(name)


def failed_attempts(backend: dict[str, Any]) -> int:
    """Attempts to connect that ended badly."""
    return sum(count for outcome, count in backend["attempts"].items() if outcome not in BLAMELESS)


def has_trouble(workers: Iterable[dict[str, Any]]) -> bool:
    """Is there a worker that does not simply serve?"""
    return any(worker["state"] != "serving" or worker["deaths"] for worker in workers)


def paint(word: str) -> str:
    """A state or verdict in its colour."""
    colour = COLOURS.get(word)
    return f"[{colour}]{plain(word)}[/]" if colour else plain(word)


def alarm(count: int) -> str:
    """A count that should be 0."""
    return f"[red]{read_count(count)}[/]" if count else "[dim]0[/]"


def plain(text: str) -> str:
    """Text that rich must not read as markup."""
    from rich.markup import escape

    return escape(str(text))
