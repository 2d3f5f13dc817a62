"""`nginy run` and `nginy simple`: a foreground nginy, from a file or without one."""

from pathlib import Path
from typing import Any

import click

from nginy.admin.client import socket_path
from nginy.cli.check import summarise
from nginy.cli.files import find_config
from nginy.cli.options import FILE

POLICIES = ("round_robin", "least_conn", "random2", "source_hash")
HEALTHS = ("tcp", "http", "dns", "udp", "off")
POOL = "simple"


@click.command(short_help="Run in the foreground from a configuration file.")
@click.argument("file", type=FILE, required=False)
@click.option("--check-only", is_flag=True, help="Check the file and end.")
@click.option("-v", "--verbose", is_flag=True, help="Log debug events too.")
def run(file: Path | None, check_only: bool, verbose: bool) -> int:
    """Run in the foreground from FILE, else nginy.yaml here, else /etc/nginy/nginy.yaml."""
    from nginy.config import load_config

    path = find_config(file)
    config = load_config(path)
    if check_only:
        click.echo(summarise(path, config))
        return 0
    from nginy.server import run_forever

    return run_forever(config, config_path=path, verbose=verbose)


@click.command()
@click.option(
    "--bind", "binds", multiple=True, required=True, metavar="ADDRESS", help="Where clients connect."
)
@click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="ADDRESS[,…]",
    help="Where they are sent; give several, or a list with commas.",
)
@click.option("--udp", is_flag=True, help="Datagrams instead of TCP connections.")
@click.option("--http", is_flag=True, help="Requests of HTTP instead of TCP connections.")
@click.option(
    "--route", "routes", multiple=True, metavar="PATH=ADDRESS[,…]",
    help="With --http: who serves a path and all below it; --backend serves the rest.",
)
@click.option("--policy", type=click.Choice(POLICIES), default=POLICIES[0], show_default=True)
@click.option("--health", type=click.Choice(HEALTHS), help="Kind of checks.  [default: tcp, with --udp udp]")
@click.option("--workers", type=click.IntRange(1, 64), help="Number of workers.  [default: one per core]")
@click.option("--gen", is_flag=True, help="Print the configuration as YAML instead of running it.")
@click.option("-v", "--verbose", is_flag=True, help="Log debug events too.")
def simple(
    binds: tuple[str, ...],
    backends: tuple[str, ...],
    udp: bool,
    http: bool,
    routes: tuple[str, ...],
    policy: str,
    health: str | None,
    workers: int | None,
    gen: bool,
    verbose: bool,
) -> int:
    """Run without a file: one listener, one pool, and one more for each route."""
    from nginy.config import parse_config

    if udp and (http or routes) or routes and not http:
        raise click.UsageError("--route goes with --http, and --udp with neither")
    if not backends and not routes:
        raise click.UsageError("Missing option '--backend'" + " or '--route'" * http + ".")
    protocol = "http" if http else "udp" if udp else "tcp"
    health = health or ("udp" if udp else "tcp")
    tree = simple_tree(split_list(binds), split_list(backends), protocol, policy, health, workers)
    if routes:
        add_routes(tree, list(map(read_route, routes)))
    if gen:
        from nginy.config import to_yaml

        click.echo(to_yaml(parse_config(tree, name="<command line>")), nl=False)
        return 0
    tree["admin"] = {"socket": str(socket_path(None, Path(simple_stem(split_list(binds)[0], protocol))))}
    config = parse_config(tree, name="<command line>")
    from nginy.server import run_forever

    return run_forever(config, config_path=None, verbose=verbose)


def split_list(given: tuple[str, ...]) -> list[str]:
    """Options given several times or with commas, as one list."""
    return [part.strip() for entry in given for part in entry.split(",") if part.strip()]


def simple_tree(
    binds: list[str], backends: list[str], protocol: str, policy: str, health: str, workers: int | None
) -> dict[str, Any]:
    """The configuration behind the options, as a file would hold it."""
    pool: dict[str, Any] = {"policy": policy, "backends": backends}
    if health != "off":
        pool["health"] = health
    tree: dict[str, Any] = {"version": 1}
    if workers:
        tree["runtime"] = {"workers": workers}
    tree["pools"] = {POOL: pool}
    tree["listeners"] = {POOL: {"bind": binds, "pool": POOL}}
    if protocol != "tcp":
        tree["listeners"][POOL]["protocol"] = protocol
    return tree


def read_route(given: str) -> tuple[str, list[str]]:
    """A path and its backends. Errors: click.UsageError."""
    path, sign, backends = given.partition("=")
    if not sign or not path.startswith("/"):
        raise click.UsageError(f"--route {given}: expected a path and its backends, such as /task=a:80,b:80")
    return path, split_list((backends,))


def add_routes(tree: dict[str, Any], routes: list[tuple[str, list[str]]]) -> None:
    """Lay a pool and a route for each into what simple_tree made; its own pool is for the rest, if it has any."""
    pools, listener = tree["pools"], tree["listeners"][POOL]
    rest, _ = pools.pop(POOL), listener.pop("pool")
    listener["routes"] = []
    for number, (path, backends) in enumerate(routes):
        listener["routes"].append({"path": path, "pool": f"{POOL}-{number}"})
        pools[f"{POOL}-{number}"] = rest | {"backends": backends}
    if rest["backends"]:
        listener["routes"].append({"pool": POOL})
        pools[POOL] = rest


def simple_stem(bind: str, protocol: str) -> str:
    """A file name for this nginy's control socket: several may run side by side, on different ports or protocols."""
    port = bind.rpartition(":")[2].partition("-")[0]
    stem = "simple" if protocol == "tcp" else f"simple-{protocol}"
    return f"{stem}-{port}.yaml" if port.isascii() and port.isdigit() and int(port) else f"{stem}.yaml"
