"""Which route of an HTTP listener a request takes, what it does, and why no other: by the look-up that workers run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nginy._fast.sites import UNCLEAR, Request, Site
from nginy.backend.heads import edits_of
from nginy.backend.sites import rules_of
from nginy.errors import ControlError
from nginy.model import CookieKey, HeaderKey, HostKey, Listener, QueryKey, RequestKey, Route
from nginy.site.build import Rule, build

PASSED_MOST = 20


@dataclass(frozen=True, slots=True)
class RequestAsk:
    """A request, as the command line puts it. path: with its query. headers: `Name: value` each."""

    host: str = ""
    path: str = "/"
    method: str = "GET"
    headers: tuple[str, ...] = ()

    def request(self) -> Request:
        """Errors: ControlError for what cannot be a request."""
        path, _, query = self.path.partition("?")
        if not path.startswith("/"):
            raise ControlError(f"path {self.path!r} does not begin with a slash")
        lines = [line.partition(":") for line in self.headers]
        wrong = next((name for name, colon, _value in lines if not colon or not name), None)
        if wrong is not None:
            raise ControlError(f"header {wrong!r} has no value: write 'Name: value'")
        pairs = [(name.encode(), value.strip().encode()) for name, _colon, value in lines]
        try:
            return Request(self.host.encode(), path.encode(), query.encode(), self.method, pairs)
        except ValueError as error:
            raise ControlError(str(error)) from None


def request_saying(key: RequestKey, said: str) -> Request:
    """A request whose key of this kind is this text. Errors: ControlError for what cannot be a request."""
    if isinstance(key, HeaderKey):
        return RequestAsk(headers=(f"{key.name}:{said}",)).request()
    if isinstance(key, CookieKey):
        return RequestAsk(headers=(f"Cookie:{key.name}={said}",)).request()
    if isinstance(key, QueryKey):
        return RequestAsk(path=f"/?{key.name}={said}").request()
    return RequestAsk(host=said).request() if isinstance(key, HostKey) else RequestAsk(path=said).request()


def route_request(listener: Listener, ask: RequestAsk) -> dict[str, Any]:
    """The answer as JSON values: `route` by number, or `reason` and `status` for none; `passed`: others, and why not;
    `filters`: what is changed in the request's and the response's head, the listener's and the route's as one.

    Errors: ControlError for what cannot be a request.
    """
    request = ask.request()
    names = listener.pools
    rules = rules_of(listener, names.index)
    site = Site(build(rules))
    found, n_matched = site.find(request)
    passed = _passed(rules, found, request)[:PASSED_MOST] if found != -UNCLEAR else []
    if found < 0:
        reason, status = ("unclear_path", 400) if found == -UNCLEAR else ("no_route", 404)
        return {"route": None, "reason": reason, "status": status, "passed": passed}
    route = (listener.routes or (Route(pool=listener.pool),))[found]
    changes = zip(("request", "response"), edits_of(listener, route), strict=True)
    answer = {"route": found, "matched": ask.path.encode()[:n_matched].decode(errors="replace")}
    filters = {name: [_said(*edit) for edit in edits] for name, edits in changes if edits}
    return answer | _action(route, site, request) | {"filters": filters, "passed": passed}


def _said(kind: str, name: str, value: str) -> str:
    return f"{kind} {name}: {value}" if kind != "remove" else f"remove {name}"


def _action(route: Route, site: Site, request: Request) -> dict[str, Any]:
    if route.respond is not None:
        answer = route.respond
        return {"respond": answer.status, "headers": list(answer.headers), "body_bytes": len(answer.content)}
    if route.redirect is not None:
        location = site.location(request) or b""
        return {"redirect": route.redirect.status, "location": location.decode("latin-1")}
    pools = {share.pool: share.weight for share in route.pools} or {name: 1 for name in route.to}
    return {"pools": pools, "path": site.target(request).decode("latin-1")}


def _passed(rules: Sequence[Rule], found: int, request: Request) -> list[dict[str, Any]]:
    """Other routes for the same path, in declared order."""
    others = []
    for number, rule in enumerate(rules):
        bare = rule._replace(methods=(), headers=(), query=())
        if number == found or not _fits(bare, request):
            continue
        parts = {
            "method": bare._replace(methods=rule.methods),
            "header": bare._replace(headers=rule.headers),
            "query": bare._replace(query=rule.query),
        }
        wrong = [name for name, part in parts.items() if not _fits(part, request)]
        if wrong:
            why = f"it asks for another {' and '.join(wrong)}"
        elif found >= 0 and set(rules[found].hosts) == set(rule.hosts):
            why = f"route {found} comes first"
        else:
            why = "the host has routes of its own"
        others.append({"route": number, "why": why})
    return others


def _fits(rule: Rule, request: Request) -> bool:
    return Site(build([rule])).find(request)[0] == 0
