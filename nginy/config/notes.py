"""What the reference says of routes of HTTP."""

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
