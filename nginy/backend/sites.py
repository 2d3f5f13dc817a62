"""The routes of HTTP listeners, as workers look them up."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from nginy._fast import sites
from nginy.backend.heads import fixed_lines, rules_of_heads
from nginy.model import Listener, Route
from nginy.site.build import Rule, build
from nginy.site.parts import Action

KEPT = 64
_PLAIN = "/!$&'()*+,=:@-._~"


class _Packed(NamedTuple):
    """A block and what it was made of. of: kept, so that nothing else can have their id()."""

    of: tuple[object, ...]
    pools: tuple[int, ...]
    block: bytes


_packed: dict[tuple[object, ...], _Packed] = {}


def has_site(listener: Listener) -> bool:
    """Whether an HTTP listener needs a block: it has routes, or changes heads."""
    return bool(listener.routes or listener.filters)


def site_of(listener: Listener, pool_id: Callable[[str], int], name: str = "") -> bytes:
    """The block of an HTTP listener, made once for each configuration. name: of the listener.

    Errors: KeyError for a pool without an id.
    """
    pools, of = tuple(map(pool_id, listener.pools)), (listener.routes, listener.filters)
    key = (name, *map(id, of))
    known = _packed.pop(key, None)
    if known is None or known.pools != pools:
        outer = rules_of_heads(name, listener)
        known = _Packed(of, pools, build(rules_of(listener, pool_id, name), outer))
    _packed[key] = known
    while len(_packed) > KEPT:
        del _packed[next(iter(_packed))]  # used longest ago
    return known.block


def rules_of(listener: Listener, pool_id: Callable[[str], int], name: str = "") -> list[Rule]:
    """A rule for each route, in declared order; one for everything where a listener has a pool alone."""
    routes = listener.routes or (Route(pool=listener.pool),)
    rules = []
    for number, route in enumerate(routes):
        action = _action(route, number, pool_id)._replace(rules=rules_of_heads(name, listener, route, number))
        if route.respond is not None:
            action = action._replace(lines=fixed_lines(name, listener, route, number))
        rules.append(_rule(route, action))
    return rules


def _rule(route: Route, action: Action) -> Rule:
    headers = [line.partition(": ") for line in route.header or ()]
    query = [argument.partition("=") for argument in route.query or ()]
    return Rule(
        action,
        hosts=route.host or (),
        path=route.path,
        exact=route.exact,
        pattern=route.pattern,
        methods=route.method or (),
        headers=tuple((name, value if colon else None) for name, colon, value in headers),
        query=tuple((name, value if sign else None) for name, sign, value in query),
    )


def _action(route: Route, number: int, pool_id: Callable[[str], int]) -> Action:
    is_cut, put = route.strip or route.rewrite is not None, _put(route.rewrite or route.add or "")
    if route.respond is not None:
        answer = route.respond
        return Action(sites.ACTIONS["respond"], number, answer.status, body=answer.content)
    if route.redirect is not None:
        to = route.redirect
        return Action(
            sites.ACTIONS["redirect"], number, to.status, is_cut=is_cut, put=put,
            location=(to.location or "").encode(), scheme=(to.scheme or "").encode(), host=(to.host or "").encode(),
            path=_quoted(to.path or ""),
        )  # fmt: skip
    pools = [(pool_id(share.pool), share.weight) for share in route.pools if share.weight]
    if route.pool is not None:
        pools = [(pool_id(route.pool), 1)]
    return Action(sites.ACTIONS["pool"], number, pools=tuple(pools), is_cut=is_cut, put=put)


def _put(path: str) -> bytes:
    """In front of what begins with a slash: without one at its end."""
    return _quoted(path).removesuffix(b"/")


def _quoted(path: str) -> bytes:
    return quote(unquote_to_bytes(path), safe=_PLAIN).encode()
