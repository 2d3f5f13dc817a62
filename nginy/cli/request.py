"""`nginy route` for HTTP: which route of a file a request takes, and what it does."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nginy.backend.route import Ask, Asked
    from nginy.backend.trial import Trial
    from nginy.model import Config

Command = Callable[..., Any]
NAMES = ("host", "path", "method", "headers")


def request_options(command: Command) -> Command:
    """The options of a request."""
    options = (
        click.option("--host", default="", metavar="HOST", help="HTTP: host of the request."),
        click.option("--path", default="", metavar="PATH[?QUERY]", help="HTTP: its path, `/` unless given."),
        click.option("--method", default="", metavar="NAME", help="HTTP: its method, GET unless given."),
        click.option("--header", "headers", multiple=True, metavar="LINE", help="HTTP: `Name: value`, also repeated."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def taken_from(rest: dict[str, Any]) -> dict[str, Any]:
    """What these options said, taken out of the rest."""
    said = {name: rest.pop(name) for name in NAMES}
    return {name: value for name, value in said.items() if value}


def answer_request(config: "Config", name: str, said: dict[str, Any]) -> dict[str, Any] | None:
    """The answer for an HTTP listener; None for others. Errors: click.UsageError for a request to one of those."""
    from nginy.backend.request import RequestAsk, route_request

    listener = config.listeners.get(name)
    if listener is not None and listener.protocol == "http":
        return {"listener": name} | route_request(listener, RequestAsk(**said))
    if said:
        raise click.UsageError(f"requests are for listeners with `protocol: http`, and {name!r} is none")
    return None


def answer_pools(
    trial: "Trial", ask: "Ask", pools: list[str], said: dict[str, Any], asked: "dict[str, Asked]", why: str
) -> list[dict[str, Any]]:
    """What each of these pools has for the request, as backend.route tells it."""
    from dataclasses import replace

    from nginy.backend.request import RequestAsk
    from nginy.backend.route import choose_in, client_of

    client = replace(client_of(ask), request=RequestAsk(**said).request())
    return [choose_in(trial, ask, pool, client, asked, why) for pool in pools]


def show_request(answer: dict[str, Any]) -> None:
    """For a person."""
    number = answer["route"]
    where = f"routes[{number}], for {answer['matched'] or 'any path'}" if number is not None else "no route"
    click.echo(f"listener {answer['listener']} → {where}")
    for one in answer["passed"]:
        click.echo(f"  not routes[{one['route']}]: {one['why']}")
    if number is None:
        click.echo(f"→ {click.style(str(answer['status']), fg='red')}: {answer['reason']}")
    elif "pools" in answer:
        click.echo(f"→ pool {click.style(shares_of(answer['pools']), bold=True)}, as {answer['path']}")
    elif "redirect" in answer:
        click.echo(f"→ {answer['redirect']} {click.style(answer['location'], bold=True)}")
    else:
        click.echo(f"→ {answer['respond']}, {answer['body_bytes']} bytes")
    show_filters(answer.get("filters", {}))


def show_filters(filters: dict[str, list[str]]) -> None:
    """What is changed in heads, a line for each change."""
    for name, edits in filters.items():
        for edit in edits:
            click.echo(f"  {name}: {edit}")


def shares_of(pools: dict[str, int]) -> str:
    """Names, with their shares where there are several."""
    if len(pools) == 1:
        return next(iter(pools))
    total = sum(pools.values())
    return ", ".join(f"{name} ({weight / total:.0%})" for name, weight in pools.items())
