"""What the reference says of routes of HTTP, and of what may stand where."""

from __future__ import annotations

from collections.abc import Iterator

from nginy.model import PARTS, parts_at

HTTP_NOTES = """\
**Routes of HTTP** (`protocol: http`). The host decides first: a full name, else the longest `*.`, else the routes
without `host`; no other routes count for the request, and 404 is the answer when none of them fits. Then `exact`
comes before `pattern`, patterns come in the order written, and of `path` the longest wins, by whole segments. Routes
at one place are told apart by `method`, `header` and `query`, all of which have to fit, in the order written; where
none fits, the next shorter `path` is tried. `nginy check` warns of routes that are never taken, of patterns that
overlap, and of hosts with gaps.

```yaml
listeners:
  web:
    bind: ":80"
    protocol: http
    routes:
      - {host: api.example.org, path: /task, pool: api, strip: on}
      - {host: api.example.org, pattern: "/users/[0-9]+", pools: [{pool: users, weight: 9}, users-next]}
      - {host: www.example.org, redirect: {host: example.org, status: 308}}
      - {exact: /healthz, respond: {headers: "Content-Type: text/plain", body: fine}}
      - {header: "X-Beta: 1", pool: beta}
      - {respond: {status: 404, file: nothing-here.html}}
```

Paths of requests are compared decoded, so that `/%74ask` is `/task`; with case; and without the query. Servers do not
agree on `%2F`, `//`, a backslash, and what follows a semicolon: such a request is passed on, as it came, only where its
route is the same with a slash for each of them and the parameters cut. Otherwise, and when a segment is `.` or `..` in
any spelling, or an escape is broken, it is refused with 400: no request takes the route of one path while its backend
reads another. Hosts whose routes neither ask for a path nor change it pass everything on. Changed paths begin with one
slash. Escapes in `path`, `exact` and `rewrite` may be written or not: `/a%20b` is `/a b`.

"""
_ROLES = """\
A handler says what becomes of a client, a filter changes what passes, a balancer chooses a backend. Keys and arguments
of each are in the sections below. `filters` is a list of mappings with one key each. What stands on a listener holds
for all its routes: on the way to a backend its filters come before those of the route, on the way back after them;
those of one place run in the order written. A later filter sees what an earlier one has made.

"""


def role_notes() -> Iterator[str]:
    """The table of handlers, filters and balancers."""
    yield "## Handlers, filters, balancers\n\n" + _ROLES
    yield "| what | role | may stand on |\n| --- | --- | --- |\n"
    for part in PARTS:
        if part.role != "balancer":
            yield f"| `{part.name}` | {part.role} | {', '.join(part.places)} |\n"
    kinds = ", ".join(f"`{name}`" for name in parts_at("balancer", "pool"))
    yield f"| {kinds} | balancer | pool, as `policy` |\n\n"
