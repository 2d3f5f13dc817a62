"""Routes of HTTP listeners: what belongs together, what does not, and the files that they answer with."""

from __future__ import annotations

from nginy.config.read import Met
from nginy.config.tree import Mapping, Problems
from nginy.config.units import UnitError, format_size
from nginy.model import BODY_MAX_BYTES, Listener, Respond, Route

LINES_MAX_BYTES = 16384
ACTIONS = Route.one_of
PLACES = ("path", "exact", "pattern")
CHANGES = ("strip", "add", "rewrite")
HTTP_KEYS = ("host", *PLACES, "method", "header", "query", *ACTIONS[1:], *CHANGES)


def check_sites(met: list[Met], problems: Problems) -> None:
    """Note what is wrong with routes of HTTP listeners, and keys of theirs that stand in others' routes."""
    protocols = {entry.path: entry.values.get("protocol", "tcp") for entry in met if entry.model is Listener}
    for entry in met:
        if entry.model is Listener and entry.values.get("protocol") == "http":
            _check_listener(entry, problems)
        elif entry.model is Respond:
            _check_respond(entry, problems)
        elif entry.model is Route:
            _check_action(entry, protocols[entry.path[:2]], problems)
            if protocols[entry.path[:2]] == "http":
                _check_route(entry, problems)
            else:
                _check_foreign(entry, protocols[entry.path[:2]], problems)


def _check_listener(entry: Met, problems: Problems) -> None:
    if isinstance(entry.node, Mapping) and entry.says("preread"):
        message = "an HTTP listener reads heads of requests, which is what routes go by"
        problems.add(entry.node.keys["preread"], entry.path_of("preread"), message, "remove it")


def _check_action(entry: Met, protocol: object, problems: Problems) -> None:
    """One of the actions, and one only."""
    said = [key for key in ACTIONS if entry.says(key)]
    if not said:
        is_http = protocol == "http"
        message = "this key is missing; expected the name of a pool"
        hint = "or `pools`, `respond`, `redirect`" if is_http else ""
        problems.add(entry.at, (*entry.path, "pool"), message, hint)
    _only_one(entry, said, "a route does one thing", problems)


def _only_one(entry: Met, said: list[str], what: str, problems: Problems) -> None:
    for key in said[1:]:
        assert isinstance(entry.node, Mapping)
        message = f"{what}: `{said[0]}` or `{key}`"
        problems.add(entry.node.keys[key], entry.path_of(key), message, "make it two routes, or remove one")


def _check_route(entry: Met, problems: Problems) -> None:
    node = entry.node
    if not isinstance(node, Mapping):
        return
    if entry.says("sni"):
        message = "`sni` is for TCP; this listener has `protocol: http`"
        problems.add(node.keys["sni"], entry.path_of("sni"), message, "write `host`")
    _only_one(entry, [key for key in PLACES if entry.says(key)], "a route is for one kind of path", problems)
    changes = [key for key in CHANGES if entry.values.get(key)]
    for key in changes:
        path = entry.path_of(key)
        if entry.says("respond") or entry.values.get("redirect") and entry.values["redirect"].location:
            message = f"no path is left to `{key}`: this route answers itself"
            problems.add(node.keys[key], path, message, "remove it")
        elif key == "rewrite" and len(changes) > 1:
            message = f"`rewrite` is `strip` and `add` in one, and `{changes[0]}` stands here too"
            problems.add(node.keys[key], path, message, "write one or the other")
        elif key != "add" and entry.says("pattern"):
            message = f"a pattern says nothing that `{key}` could take off"
            problems.add(node.keys[key], path, message, "use `path`, or `add`")
    _check_redirect(entry, problems)
    if entry.values.get("pools") and not any(share.weight for share in entry.values["pools"]):
        message = "every pool has weight 0: the route could lead nowhere"
        problems.add(entry.place_of("pools"), entry.path_of("pools"), message, "give one of them a weight of 1")


def _check_redirect(entry: Met, problems: Problems) -> None:
    redirect = entry.values.get("redirect")
    if redirect is None:
        return
    others = [key for key in ("scheme", "host", "path") if getattr(redirect, key) is not None]
    place, path = entry.place_of("redirect"), entry.path_of("redirect")
    if redirect.location is not None and others:
        message = f"`location` is the whole URL, and `{others[0]}` stands here too"
        problems.add(place, path, message, "write one or the other")
    if redirect.location is None and not others and not any(entry.values.get(key) for key in CHANGES):
        message = "it would send clients to where they are"
        problems.add(place, path, message, "write `location`, `scheme`, `host` or `path`")


def _check_foreign(entry: Met, protocol: object, problems: Problems) -> None:
    for key in HTTP_KEYS:
        if isinstance(entry.node, Mapping) and entry.says(key):
            message = f"`{key}` is for HTTP; this listener has `protocol: {protocol}`"
            hint = "write `sni`" if key == "host" else "remove it"
            problems.add(entry.node.keys[key], entry.path_of(key), message, hint)


def _check_respond(entry: Met, problems: Problems) -> None:
    """The model itself has been built by now: what the file holds is laid into it."""
    n_lines = sum(len(line) + 2 for line in entry.values.get("headers", ()))
    if n_lines > LINES_MAX_BYTES:
        message = f"{n_lines} bytes of headers; {LINES_MAX_BYTES} at most"
        problems.add(entry.place_of("headers"), entry.path_of("headers"), message, "let a pool serve it")
    status, has_body = entry.values.get("status", 200), entry.says("body") or entry.says("file")
    if status in (204, 304) and has_body:
        place = entry.place_of("status")
        problems.add(place, entry.path_of("status"), f"an answer with {status} has no body", "remove the body")
    if entry.says("body") and entry.says("file"):
        assert isinstance(entry.node, Mapping)
        message = "an answer has `body` or `file`"
        problems.add(entry.node.keys["file"], entry.path_of("file"), message, "remove one")
    elif entry.values.get("file") and isinstance(entry.built, Respond):
        try:
            entry.built._content = _read(entry.values["file"])
        except UnitError as error:
            problems.add(entry.place_of("file"), entry.path_of("file"), str(error), error.hint)


def _read(path: str) -> bytes:
    """What a file holds. Errors: UnitError."""
    try:
        with open(path, "rb") as file:
            content = file.read(BODY_MAX_BYTES + 1)
    except OSError as error:
        raise UnitError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > BODY_MAX_BYTES:
        raise UnitError(f"{path} is larger than {format_size(BODY_MAX_BYTES)}", "let a pool serve it")
    return content
