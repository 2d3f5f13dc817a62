"""Filters of HTTP: where each may stand, and what no rule may touch."""

from __future__ import annotations

from collections.abc import Iterator

from nginy.config.read import Met
from nginy.config.tree import Mapping, Path, Place, Problems, Sequence
from nginy.config.units import UnitError
from nginy.model import Edits, Filter, Listener, Route
from nginy.site.edits import REQUEST_VARIABLES, is_host, packed_bytes, refused, template

RESPONSE_MOST = 3072
"""Bytes that a response's head may grow by: what a worker leaves room for is a little more."""


def check_filters(met: list[Met], problems: Problems) -> None:
    """Note filters that cannot be, at listeners and routes."""
    protocols = {entry.path: entry.values.get("protocol", "tcp") for entry in met if entry.model is Listener}
    owners = {entry.path: entry for entry in met if entry.model in (Listener, Route)}
    for entry in met:
        if entry.model in (Listener, Route) and entry.says("filters"):
            protocol = protocols[entry.path[:2]]
            if protocol != "http" and isinstance(entry.node, Mapping):
                message = f"`filters` is for HTTP; this listener has `protocol: {protocol}`"
                problems.add(entry.node.keys["filters"], entry.path_of("filters"), message, "remove it")
        elif entry.model is Filter:
            _check_kind(entry, owners[entry.path[:-2]], problems)
        elif entry.model is Edits:
            _check_edits(entry, problems)
    _check_growth(owners, problems)


def _check_kind(entry: Met, owner: Met, problems: Problems) -> None:
    said = [key for key in Filter.one_of if entry.says(key)]
    if not said and _is_empty(entry):
        kinds = ", ".join(f"`{key}`" for key in Filter.one_of)
        problems.add(entry.node.place, entry.path, "this filter does nothing", f"write one of {kinds}")
    for key in said[1:]:
        assert isinstance(entry.node, Mapping)
        message = f"a filter does one thing: `{said[0]}` or `{key}`"
        problems.add(entry.node.keys[key], entry.path_of(key), message, "make it two filters")
    if owner.model is Route and "request" in said and (owner.says("respond") or owner.says("redirect")):
        assert isinstance(entry.node, Mapping)
        message = "this route answers itself: there is no request to change"
        problems.add(entry.node.keys["request"], entry.path_of("request"), message, "remove it")


def _named(entry: Met) -> Iterator[tuple[str, str, str, Place, Path]]:
    """Key, name, value, where it stands: of all that a filter names and that could be read."""
    for key in ("set", "add"):
        node = entry.node.entries.get(key) if isinstance(entry.node, Mapping) else None
        for name, value in entry.values.get(key, {}).items():
            assert isinstance(node, Mapping)
            yield key, name, value, node.keys[name], (*entry.path, key, name)
    removed = entry.values.get("remove", ())
    for index, name in enumerate(removed):
        node = entry.node.entries["remove"] if isinstance(entry.node, Mapping) else entry.node
        is_list = isinstance(node, Sequence)
        place = node.items[index].place if isinstance(node, Sequence) else node.place
        yield "remove", name, "", place, (*entry.path, "remove", index) if is_list else (*entry.path, "remove")


def _check_edits(entry: Met, problems: Problems) -> None:
    is_request = entry.path[-1] == "request"
    replaced: set[str] = set()
    if _is_empty(entry):
        problems.add(entry.at, entry.path, "this filter does nothing", "write `set`, `add` or `remove`")
    for key, name, value, place, path in _named(entry):
        try:
            _check_name(name, key, value, is_request)
            if key != "set" and name.lower() in replaced:
                raise UnitError(f"{name} is `set` and `{key}` in one filter", "write one of them")
        except UnitError as error:
            problems.add(place, path, str(error), error.hint)
        if key == "set":
            replaced.add(name.lower())


def _is_empty(entry: Met) -> bool:
    """Whether nothing stands there, readable or not."""
    return not isinstance(entry.node, Mapping) or not any(map(entry.says, entry.node.entries))


def _check_name(name: str, key: str, value: str, is_request: bool) -> None:
    """Errors: UnitError for what a rule may not do."""
    why = refused(name, is_request)
    if why is not None:
        raise UnitError(*why)
    variables = [piece for is_variable, piece in template(value) if is_variable]
    if name.lower() == "host" and is_request:
        if key != "set":
            raise UnitError(f"a request has one Host: `{key}` cannot be", "write `set`")
        if not is_host(value):
            raise UnitError(f"{value[:60]!r} is not a host", "write app.example.org, or app.example.org:8443")
    late = [piece for piece in variables if piece in REQUEST_VARIABLES]
    if late and not is_request:
        raise UnitError(f"{{{late[0]}}} is known of requests only", "remove it")


def _check_growth(owners: dict[Path, Met], problems: Problems) -> None:
    """What is written into responses, by a listener and a route of its own together."""
    for path, entry in owners.items():
        mine = _growth(entry)
        outer = _growth(owners[path[:2]]) if entry.model is Route else 0
        if mine and mine + outer > RESPONSE_MOST:
            message = f"its filters may add {mine + outer} bytes to a response; at most {RESPONSE_MOST} are allowed"
            problems.add(entry.place_of("filters"), entry.path_of("filters"), message, "write shorter values")


def _growth(entry: Met) -> int:
    filters = entry.values.get("filters", ())
    edits = [one.response for one in filters if isinstance(one, Filter) and one.response is not None]
    return sum(packed_bytes(name, value) for one in edits for name, value in (*one.set.items(), *one.add.items()))
