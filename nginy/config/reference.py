"""docs/config.md, made from the models: `python -m nginy.config.reference > docs/config.md`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from nginy.config.include import TOTAL_MAX_BYTES
from nginy.config.load import ALIAS_NODES_MAX, DEPTH_MAX, FILE_MAX_BYTES
from nginy.config.notes import HTTP_NOTES, role_notes
from nginy.config.plain import plain_value
from nginy.config.shape import Key, Shape, first_sentence, keys_of, walk_models
from nginy.config.values import show
from nginy.model import Config, Kinded, Model

EXAMPLE = """\
pools:
  api:
    policy: least_conn
    backends:
      - 10.0.0.1:8000
      - {address: "10.0.0.2:8000", weight: 2}
    health: {kind: http, path: /healthz, interval: 1s}
listeners:
  web: {bind: ":8080", pool: api}
admin: {http: on}
"""
FULL_EXAMPLE = """\
version: 1
include: [pools.d/db.yaml]
runtime:
  workers: ${WORKERS:-auto}
  user: nobody
  drain: 1m
  log: {level: info, format: json}
  access_log: {output: /var/log/nginy/access.log, format: logfmt}
defaults:
  timeouts: {connect: 500ms, idle: 1h}
  limits: {retries: 1}
  health: {kind: tcp, interval: 1s}
pools:
  api:
    policy: {kind: source_hash}
    backends:
      - {address: "app-1.example.org:8000", weight: 10, max_conns: 200}
      - {address: "[2001:db8::7]:8000", state: drain}
      - {address: "unix:/run/app.sock", backup: on}
    health: {kind: http, path: /healthz, expect: {status: [204, 300-399]}, on_down: reset}
  resolvers:
    backends: ["10.0.0.3:53", "10.0.0.4:53"]
    health: {kind: dns, name: example.org, interval: 2s}
listeners:
  web:
    bind: [":8080", "[::]:8080"]
    pool: api
    half_close: off
    limits: {sessions: 10000}
  dns:
    bind: ":53"
    protocol: udp
    pool: resolvers
    session: {requests: 1, check: dns, reuse: on, idle: 10s}
    limits: {flows_per_source: 200, flow_rate: 20000/s}
  dns-tcp: {bind: ":53", pool: resolvers}
admin:
  socket: /run/nginy/control.sock
  http: 127.0.0.1:9901
"""

_INTRO = f"""\
# Configuration

<!-- Made by `python -m nginy.config.reference > docs/config.md` from the descriptions in nginy/model/. -->

Ten lines are enough:

```yaml
{EXAMPLE}```

`nginy check FILE` reports every problem of a file at once, each with its place, the path of the key and a
hint:

```
nginy.yaml:6:36: pools.api.backends[1].wieght: this key is not known here (did you mean `weight`?)
```

`nginy schema` prints a JSON Schema that editors complete from. The same tree may be written as JSON, or
given from Python as a dict.

"""
_NOTES = f"""\
## How values are written

**Scalars** go by the YAML 1.2 core schema. Only `true` and `false` (also `True`, `TRUE`, …) are booleans:
`on`, `off`, `yes` and `no` are texts, and `on` and `off` are accepted where a switch stands. `22:22` is a
text, never a number of base 60. A number with a leading zero, such as `0755`, is a text too; octal numbers
are `0o755`, hexadecimal ones `0x1f`. An empty value, `~` and `null` mean nothing. What is quoted is a text.

**Durations** have units: `500ms`, `5s`, `1m`, `1h30m`, `2d`; larger units stand first. A bare number counts
seconds. **Sizes** count powers of 1024: `512B`, `64KiB` (or `64k`), `1MiB`, `2GiB`; a bare number counts
bytes. `64KB` is refused, as it is read both ways. **Rates** are `50/s` or `90/m`, rounded up to whole ones
per second; a bare number is per second. **Bytes in hexadecimal** have two digits each: `00ff`; quote those
that look like numbers.

**Addresses** are `host:port` with an IPv4 address or a name, `[v6]:port` or `unix:/path`. Listeners take IP
addresses only; `:8080` is `0.0.0.0:8080`, and `[::]:8080` beside it serves IPv6. Port 0 lets the kernel
choose. TCP and UDP have ports of their own: two listeners, one of each, may share an address. A UDP
listener may have a range, `:5000-5100`, each port of which gets sockets of its own. Between `{{ }}` or
`[ ]`, quote what contains a colon at its start or a bracket: `[":8080", "[::]:8080"]`.

**Names** of pools and listeners begin with a-z and go on with a-z, 0-9, `-` and `_`. They are labels of
metrics: renaming one starts new counters.

**Environment.** `${{NAME}}` in a value is replaced by the variable, `${{NAME:-default}}` by the default
when the variable is unset or empty; an unset variable without a default is an error. `$${{` stands for a
literal `${{`. Substitution happens after YAML was read, so that no variable can add keys; a value without
quotes is then read again by the rules above (`workers: ${{N}}` is a number), a quoted one stays a text.
Keys are not substituted.

**Include.** `include: base.yaml`, or a list of paths, at the top of a file merges other files into it.
Paths are relative to the file that they stand in. Mappings are merged key by key; any other key that two
files give is an error that names both places (`version` may be repeated). A file is read once; one that
includes itself is refused.

**Not accepted**: unknown and duplicate keys, more than one document, tags (`!!str`), merge keys (`<<`),
tabs as indentation, anything but UTF-8 without a byte order mark, files over {FILE_MAX_BYTES >> 20} MiB
({TOTAL_MAX_BYTES >> 20} MiB with all includes), more than {DEPTH_MAX} levels, aliases that add more than
{ALIAS_NODES_MAX:,} values. Anchors and aliases within that are fine.

**Defaults** go from outer to inner: what a listener or a pool says itself wins, then `defaults`, then the
default of the key as it stands below. `timeouts`, `limits` and `health` are completed key by key. What means
something for TCP only, or for UDP only, arrives at listeners of that protocol.

**UDP.** `protocol: udp` goes with `session`, `udp` and the limits of flows and datagrams. `half_close`,
`backlog`, `keepalive`, `splice`, `tcp` and all timeouts but `drain` are TCP's and refused there, and the
other way round. A pool may serve listeners of both. Limits of flows, datagrams and bytes hold for all
workers together: each worker enforces its share, the limit divided by their number, rounded up. With
`session.key: source` all flows of a client address meet on one worker, so those per source are not divided.

"""
_TYPES = {
    "integer": "whole number",
    "number": "number",
    "text": "text",
    "switch": "`on` or `off`",
    "duration": "duration",
    "size": "size",
    "rate": "rate",
    "pace": "rate",
    "network": "network",
    "hex": "hexadecimal",
    "payload": "text",
    "dns_name": "name",
    "address": "address",
    "cert": "name of a certificate",
    "bind": "address",
    "loopback": "address",
    "socket": "path",
    "pool": "name of a pool",
    "server_name": "name of a server",
    "status": "status",
    "output": "text",
    "http_path": "text",
    "http_host": "text",
    "site_host": "host",
    "site_path": "path",
    "site_exact": "path",
    "site_pattern": "pattern",
    "method": "method",
    "header_match": "header",
    "header_line": "header",
    "header_name": "name of a header",
    "header_value": "text",
    "query_match": "argument",
    "token": "name",
    "load_header": "header",
    "argument": "name",
    "location": "URL",
    "authority": "host",
    "file": "path of a file",
    "call": "class",
    "arguments": "mapping",
    "congestion": "name",
}


def reference() -> str:
    """The whole page as Markdown."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield _INTRO
    yield "## A fuller example\n\n```yaml\n" + FULL_EXAMPLE + "```\n\n"
    yield _NOTES + HTTP_NOTES
    yield "## Top level\n\n" + _table(list(keys_of(Config).values()))
    yield "`include` may stand here too, see above.\n\n"
    yield from role_notes()
    for title, models in _sections().items():
        yield from _section(title, models)


def _sections() -> dict[tuple[str, ...], list[tuple[str, type[Model]]]]:
    """Paths to the models that may stand there, each model in one section only."""
    order: list[str] = []
    homes: dict[type[Model], list[str]] = {}
    kinds: dict[type[Model], str] = {}
    for path, kind, model in walk_models(Config):
        order.append(path)
        places = homes.setdefault(model, [])
        if path not in places:  # it may stand there in mappings of several kinds
            places.append(path)
        kinds[model] = kind
    sections: dict[tuple[str, ...], list[tuple[str, type[Model]]]] = {}
    for model, paths in homes.items():
        ordered = tuple(sorted(paths, key=lambda path: path.startswith("defaults.")))
        sections.setdefault(ordered, []).append((kinds[model], model))
    return dict(sorted(sections.items(), key=lambda section: order.index(section[0][0])))


def _section(paths: tuple[str, ...], models: list[tuple[str, type[Model]]]) -> Iterator[str]:
    level = "##" if "." not in paths[0] or paths[0].endswith("<name>") else "###"
    yield f"{level} `{paths[0]}`\n\n"
    if len(models) == 1 and not models[0][0]:
        yield _about(models[0][1])
    if len(paths) > 1:
        yield f"Also under {', '.join(f'`{path}`' for path in paths[1:])}.\n\n"
    if models[0][0]:
        yield "| kind | meaning |\n| --- | --- |\n"
        yield "".join(f"| `{kind}` | {first_sentence(model)} |\n" for kind, model in models)
        yield "\nThe name of a kind alone stands for a mapping with nothing but `kind`.\n\n"
    yield from _key_tables(models)


def _about(model: type[Model]) -> str:
    return (model.__doc__ or "").strip() + "\n\n"


def _key_tables(models: list[tuple[str, type[Model]]]) -> Iterator[str]:
    """One table for the keys that all kinds have, one more for each kind with keys of its own."""
    tables = [[key for key in keys_of(model).values() if key.name != "kind"] for _, model in models]
    if not issubclass(models[0][1], Kinded):
        for (_, model), keys in zip(models, tables, strict=True):
            yield (_about(model) if len(models) > 1 else "") + _table(keys)
        return
    shared = [key for key in tables[0] if all(key.name in keys_of(model) for _, model in models)]
    if shared:
        yield "Keys of every kind:\n\n" + _table(shared)
    for (kind, _), keys in zip(models, tables, strict=True):
        own = [key for key in keys if key not in shared]
        if own:
            yield f"Keys of `kind: {kind}`:\n\n" + _table(own)


def _table(keys: list[Key]) -> str:
    rows = "".join(
        f"| `{key.name}` | {_type(key.shape)} | {_default(key)} | {key.description} |\n" for key in keys
    )
    return "| key | type | default | meaning |\n| --- | --- | --- | --- |\n" + rows + "\n"


def _type(shape: Shape) -> str:
    if shape.kind == "mapping":
        short = shape.model.short if shape.model is not None else ""
        words = f"{short.replace('bind', 'address')} or mapping" if short else "mapping"
    elif shape.kind == "union":
        words = "kind or mapping"
    elif shape.kind in ("names", "ids", "headers"):
        words = f"mapping of {shape.kind}"
    elif shape.kind == "list" and shape.item is not None:
        words = f"{_type(shape.item)}, or a list" if shape.one_or_many else f"list: {_type(shape.item)}"
    elif shape.kind == "choice":
        return ", ".join(f"`{choice}`" for choice in shape.choices)
    else:
        words = _TYPES[shape.kind] + _bounds(shape)
    also = [f"`{choice}`" for choice in shape.choices] + ["`on`"] * shape.on + ["`off`"] * shape.off
    return ", ".join([words, *also])


def _bounds(shape: Shape) -> str:
    if shape.least is None or shape.most is None or shape.most >= 2**31 - 1 and shape.kind == "integer":
        return ""
    return f", {show(shape.least, shape)} to {show(shape.most, shape)}"


def _default(key: Key) -> str:
    if key.is_required:
        return "required"
    if key.default_text:
        return key.default_text
    if isinstance(key.default, Model) and key.shape.kind == "mapping":
        return ""
    if key.default is None and not key.shape.off:
        return ""
    value = plain_value(key.default, key.shape)
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


if __name__ == "__main__":
    print(reference(), end="")
