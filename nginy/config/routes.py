"""Routes: one way for each server name, and a preread that tells the name."""

from __future__ import annotations

from nginy.config.read import Met
from nginy.config.tree import Mapping, Node, Place, Problems, Sequence
from nginy.model import ROUTES_MAX, Listener, Route


def check_routes(met: list[Met], problems: Problems) -> None:
    """Note listeners with both `pool` and `routes`, or neither; routes that no hello is read for; names given twice."""
    routes: dict[object, list[Met]] = {}
    requests = {entry.path for entry in met if entry.model is Listener and entry.values.get("protocol") == "http"}
    for entry in met:
        if entry.model is Route and entry.path[:2] not in requests:
            routes.setdefault(entry.path[1], []).append(entry)
    for entry in met:
        if entry.model is Listener and isinstance(entry.node, Mapping):
            _check_listener(entry, entry.node, problems)
    for entries in routes.values():
        _check_names(entries, problems)
    _check_count([entry for entries in routes.values() for entry in entries], problems)


def _check_listener(entry: Met, node: Mapping, problems: Problems) -> None:
    has_pool, has_routes = entry.says("pool"), entry.says("routes")
    if not has_pool and not has_routes:
        message = "this key is missing; expected the name of a pool"
        hint = "or `routes`, to choose a pool by server name or request"
        problems.add(entry.at, (*entry.path, "pool"), message, hint)
    if has_pool and has_routes:
        message = "a listener has either `pool` or `routes`"
        problems.add(node.keys["pool"], (*entry.path, "pool"), message, "make it a route without `sni`: what is left")
    is_doubtful = entry.says("preread") and "preread" not in entry.values
    if not has_routes or is_doubtful or entry.values.get("protocol") in ("udp", "http"):
        return
    preread = entry.values.get("preread")
    if preread is None or preread.until != "tls_hello":
        message = "routes go by the server name of the TLS hello, which nothing waits for here"
        problems.add(node.keys["routes"], (*entry.path, "routes"), message, "write `preread: tls_hello`")


def _check_names(entries: list[Met], problems: Problems) -> None:
    """Of one listener. Order does not matter, so nothing is hidden by another route but a name that stands twice."""
    seen: dict[str, Place] = {}
    for entry in entries:
        if "sni" in entry.values and entry.values["sni"] is not None:
            nodes = _nodes_of(entry)
            for index, name in enumerate(entry.values["sni"]):
                path = (*entry.path_of("sni"), index) if len(nodes) > 1 else entry.path_of("sni")
                _see(name, f"{name} has a route already", nodes[index].place, path, seen, problems)
        elif not isinstance(entry.node, Mapping) or "sni" not in entry.node.entries:
            _see("", "there is a route for the rest already", entry.node.place, entry.path, seen, problems)


def _see(
    name: str, message: str, place: Place, path: tuple[str | int, ...], seen: dict[str, Place], problems: Problems
) -> None:
    first = seen.setdefault(name, place)
    if first is not place:
        hint = "keep one; for several pools make a group (`of`)" if name else "give it the names it is for, with `sni`"
        problems.add(place, path, f"{message}, at {first}", hint)


def _nodes_of(entry: Met) -> list[Node]:
    assert isinstance(entry.node, Mapping)
    node = entry.node.entries["sni"]
    return node.items if isinstance(node, Sequence) else [node]


def _check_count(entries: list[Met], problems: Problems) -> None:
    count = 0
    for entry in entries:
        before, count = count, count + len(entry.values.get("sni") or ())
        if before <= ROUTES_MAX < count:
            message = f"with it, all listeners have {count} server names; at most {ROUTES_MAX} are allowed"
            problems.add(entry.place_of("sni"), entry.path_of("sni"), message, "use `*.` for names of one kind")
