"""`nginy route`: which pool and backend a client would get, and why, from a file or from the nginy that runs."""

import asyncio
import json
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nginy.admin.client import ControlClient
from nginy.cli.files import find_config, find_socket
from nginy.cli.options import FILE
from nginy.cli.request import answer_pools, answer_request, request_options, show_request, taken_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginy.backend.registry import Resolved
    from nginy.backend.route import Asked
    from nginy.model import Config

BAR_COLUMNS = 40
FULL = "█"
PARTS = " ▏▎▍▌▋▊▉"


@click.command(short_help="Which backend a client would get, and why.")
@click.argument("file", type=FILE, required=False)
@click.option("-l", "--listener", help="Where the client comes in; may be left out when there is one.")
@click.option("--src", "source", default="", metavar="IP[:PORT]", help="Whose visit it is.")
@click.option("--dst", "destination", default="", metavar="IP[:PORT]", help="The address that is asked.")
@click.option("--sni", default="", metavar="NAME", help="Server name in the TLS hello.")
@click.option("--bytes", "received", default="", metavar="HEX", help="First bytes, or the payload of a datagram.")
@request_options
@click.option("--count", type=click.IntRange(1, 10_000), default=1, show_default=True, help="So many choices in a row.")
@click.option("--distribution", is_flag=True, help="Draw each backend's share of made-up clients.")
@click.option("--without", default="", metavar="ADDRESS", help="Also what would move if this backend were removed.")
@click.option("--fallback", is_flag=True, help="Leave classes of policies unasked: what their fallbacks choose.")
@click.option("--running", is_flag=True, help="Ask the nginy that runs: with its health, counts and tables.")
@click.option("--socket", type=FILE, metavar="PATH", help="Its control socket; implies --running.")
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text", show_default=True)
def route(
    file: Path | None, listener: str | None, received: str, fallback: bool, running: bool, socket: Path | None,
    output: str, **rest: Any,
) -> None:  # fmt: skip
    """Ask FILE, else nginy.yaml here, what a client would get: nothing is connected, and nothing is counted.

    Choices are made by the functions that workers run. A file knows no health and no load: everybody is well and idle.
    A policy in Python of a FILE is imported and asked here, in this process; of the nginy that runs nobody asks it.
    """
    request = taken_from(rest)
    question = {"bytes": received} | {key: value for key, value in rest.items() if value}
    if running or socket:
        if request:
            raise click.UsageError("requests are asked of a file, not of the nginy that runs")
        with ControlClient(find_socket(socket, file)) as client:
            name = listener or only_one([row["name"] for row in client.call("status")["listeners"]])
            answer = client.call("route", listener=name, **question)
    else:
        answer = ask_file(find_config(file), listener, question, request, is_asking=not fallback)
    if output == "json":
        click.echo(json.dumps(answer, indent=2))
    else:
        show(answer)


def only_one(listeners: list[str]) -> str:
    """The name, when nothing else can be meant. Errors: click.UsageError."""
    if len(listeners) != 1:
        raise click.UsageError(f"--listener is missing; there are: {', '.join(listeners)}")
    return listeners[0]


def ask_file(
    path: Path, listener: str | None, question: dict[str, Any], request: dict[str, Any], *, is_asking: bool = True
) -> dict[str, Any]:
    """The answer of a configuration that does not run. Host names are looked up.

    is_asking: import and ask the classes of its policies, here.
    """
    from nginy.backend.registry import resolve_backends
    from nginy.backend.route import Ask
    from nginy.backend.route import route as answer_of
    from nginy.backend.trial import Trial
    from nginy.config import load_config

    config: Config = load_config(path)
    name = listener or only_one(list(config.listeners))
    found = answer_request(config, name, request)
    if found is not None and "pools" not in found:
        return found
    ask = Ask.read(listener=name, **question)
    resolved = asyncio.run(resolve_backends(config, source=str(path)))
    trial = Trial(config, resolved)
    with asking(config, resolved, path.resolve().parent if is_asking else None) as asked:
        why = "keys of a class are not asked here" if is_asking else "--fallback leaves it out"
        if found is None:
            return answer_of(trial, ask, asked, why)
        return found | {"in_pools": answer_pools(trial, ask, list(found["pools"]), request, asked, why)}


@contextmanager
def asking(config: "Config", resolved: "Resolved", folder: Path | None) -> "Iterator[dict[str, Asked]]":
    """The classes of a configuration's policies, by pool, ready to be asked. folder: where they are looked for first;
    None: nobody is. One that cannot be made says so when it is asked."""
    from nginy.balancer.asked import AskedPool
    from nginy.balancer.load import load_class, looking_in
    from nginy.balancer.simulated import visit_of
    from nginy.model import PythonPolicy

    found: dict[str, Asked] = {}
    with ExitStack() as undo:
        if folder is not None:
            undo.enter_context(looking_in(str(folder)))
        for name, pool in config.pools.items() if folder is not None else ():
            if not isinstance(pool.policy, PythonPolicy):
                continue
            try:
                policy_class = load_class(pool.policy.call, "python", pool.policy.args)
                asked = AskedPool(policy_class, resolved[name], pool.policy.args)
            except Exception as error:
                found[name] = partial(_raise, error)
            else:
                undo.callback(asked.close)
                found[name] = lambda client, asked=asked: asked.choose(visit_of(client))  # type: ignore[misc]
        yield found


def _raise(error: Exception, _client: object) -> None:
    raise error


def show(answer: dict[str, Any]) -> None:
    """For a person."""
    if "route" in answer:
        show_request(answer)
        for one in answer.get("in_pools", ()):
            click.echo(f"pool {one['pool']} ({one['policy']})")
            show_choices(one)
        return
    where = f"pool {answer['pool']} ({answer['policy']})" if answer["pool"] else "no route"
    click.echo(f"listener {answer['listener']} → {where}")
    show_choices(answer)


def show_choices(answer: dict[str, Any]) -> None:
    """Key, place and backends of one pool."""
    first = answer["choices"][0]
    inside = f"in {first['pool']}: " if first["pool"] != answer["pool"] else ""
    if "asked_first" in answer:
        why = answer["unasked"]
        what = f"is asked first; this is what its fallback chooses ({why})" if why else "was asked, in this process"
        click.echo(f"{inside}{answer['asked_first']} {what}")
    if answer["key"]:
        click.echo(f"{inside}key {answer['key']}, hash {answer['key_hash']}")
    if answer["place"]:
        click.echo(f"{inside}{answer['place']}")
    for choice in answer["choices"]:
        for one in choice["passed"]:
            click.echo(f"  not {one['address']}: {one['why']}")
        if choice["address"]:
            member = f" of {choice['pool']} ({choice['policy']})" if choice["pool"] != answer["pool"] else ""
            click.echo(f"→ {click.style(choice['address'], bold=True)}{member}")
        else:
            click.echo(f"→ {click.style('nobody', fg='red')}: {choice['reason']}")
    for what in answer.get("left_out", ()):
        click.echo(f"left out: {what}")
    if "shares" in answer:
        show_shares(answer)


def show_shares(answer: dict[str, Any]) -> None:
    """A bar for each backend, the longest one over the whole width."""
    clients, shares = answer["clients"], answer["shares"]
    click.echo(f"\nshares of {clients:,} made-up clients")
    width, most = max(map(len, shares)), max(*shares.values(), 1)
    for address, count in shares.items():
        click.echo(f"  {address:<{width}} {count / clients:7.2%} {bar(count / most)}")
    if answer["nobody"]:
        click.echo(f"  {'nobody':<{width}} {answer['nobody'] / clients:7.2%}")
    if "without" in answer:
        moved = f"{answer['had_to_move'] / clients:.2%} of all clients have to move"
        click.echo(f"without {answer['without']}: {moved}, and {answer['moved'] / clients:.2%} besides")


def bar(part: float) -> str:
    """0 to 1 as a bar of eighths."""
    eighths = round(part * BAR_COLUMNS * 8)
    return FULL * (eighths // 8) + PARTS[eighths % 8].strip()
