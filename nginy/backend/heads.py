"""What filters of a listener and of a route change in heads, as workers apply it."""

from __future__ import annotations

from nginy.model import Edits, Listener, Route
from nginy.site.edits import Change, fold, has_variables, literal, packed, written
from nginy.site.parts import NO_RULES, Rules

Edit = tuple[str, str, str]


def rules_of_heads(name: str, listener: Listener, route: Route | None = None, number: int = 0) -> Rules:
    """The rules of a listener (its name) and of one of its routes; of the listener alone where no route is taken."""
    requests, responses = edits_of(listener, route)
    if not requests and not responses:
        return NO_RULES
    known = {"listener": name, "route": "-" if route is None else str(number)}
    if route is not None and route.respond is not None:
        responses = [edit for edit in responses if edit[0] != "remove" and has_variables(edit[2])]
    elif route is not None and route.redirect is not None:
        responses = [edit for edit in responses if edit[1].lower() != "location"]
    host = next((value for _kind, title, value in requests if title.lower() == "host"), "")
    others = [edit for edit in requests if edit[1].lower() != "host"]
    return Rules(packed(others, known), packed(responses, known), host.encode())


def edits_of(listener: Listener, route: Route | None) -> tuple[list[Edit], list[Edit]]:
    """What is done to a request and to its response: (set, add or remove, name, value) of each."""
    outer, inner = listener.filters, route.filters if route is not None else ()
    requests = [_change(one.request) for one in (*outer, *inner) if one.request is not None]
    responses = [_change(one.response) for one in (*inner, *outer) if one.response is not None]
    if route is not None and route.respond is not None:
        said = (line.partition(": ") for line in route.respond.headers)
        responses.insert(0, Change(add=[(name, literal(value)) for name, _, value in said]))
    is_forwarded = route is None or route.respond is None and route.redirect is None
    return fold(requests if is_forwarded else ()), fold(responses)


def fixed_lines(name: str, listener: Listener, route: Route, number: int) -> bytes:
    """Header lines of a route's own answer that are the same for everybody."""
    known = {"listener": name, "route": str(number)}
    _requests, responses = edits_of(listener, route)
    lines = [edit for edit in responses if edit[0] != "remove" and not has_variables(edit[2])]
    return b"".join(b"%s: %s\r\n" % (title.encode(), written(value, known)) for _kind, title, value in lines)


def _change(edits: Edits) -> Change:
    return Change(tuple(edits.set.items()), tuple(edits.add.items()), edits.remove)
