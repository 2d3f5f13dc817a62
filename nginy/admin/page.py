"""The page at /: the status for a person with a browser. No script, everything escaped, reloads itself."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from nginy.admin.amounts import read_bytes, read_count, read_duration
from nginy.admin.pools import RECENT_HEADS, fallbacks_text, policy_text, recent_texts

REFRESH_S = 5
POOLS_SHOWN = 3  # of one listener
ROWS_MAX = 200  # backends of one pool; `nginy status` shows all
_GOOD = frozenset({"serving", "ready", "up"})
_BAD = frozenset({"down", "stopped", "dead"})

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--dim:#888;--good:#1a7f37;--bad:#c62828;--odd:#9a6700}
@media(prefers-color-scheme:dark){:root{--good:#4cc26a;--bad:#ff6b6b;--odd:#e0b040}}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .4rem}p{margin:.2rem 0;color:var(--dim)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
th{font-weight:600;color:var(--dim);font-size:.85rem}.n{text-align:right}
.good{color:var(--good)}.bad{color:var(--bad)}.odd{color:var(--odd)}.note{color:var(--bad)}
""".replace("\n", "")


def render_page(status: Mapping[str, Any], unready: Sequence[str]) -> str:
    """HTML from the answer of `status`. unready: why this nginy is not ready, empty when it is."""
    notes = "".join(f'<p class="note">not ready: {escape(reason)}</p>' for reason in unready)
    body = "".join(
        [
            _heading(status),
            notes,
            _listeners(status["listeners"]),
            _datagrams(status["listeners"]),
            _requests(status["listeners"]),
            _answers(status["pools"]),
            *(_pool(pool) for pool in status["pools"]),
            _workers(status["workers"]),
            '<p style="margin-top:2rem"><a href="/metrics">metrics</a> · <a href="/readyz">readyz</a></p>',
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>nginy</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_S}"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _heading(status: Mapping[str, Any]) -> str:
    return (
        f"<h1>nginy {_word(status['state'])}</h1>"
        f"<p>generation {status['generation']} · up {read_duration(status['uptime_s'])}"
        f" · {len(status['workers'])} workers</p>"
    )


def _listeners(listeners: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        [
            escape(listener["name"]),
            escape(", ".join(listener["addresses"])),
            escape(listener["protocol"]),
            escape(", ".join([*listener["pools"][:POOLS_SHOWN], *(["…"] if listener["pools"][POOLS_SHOWN:] else [])])),
            read_count(listener["sessions_live"]),
            read_count(listener["sessions"]),
            read_bytes(listener["bytes_in"]),
            read_bytes(listener["bytes_out"]),
        ]
        for listener in listeners
    ]
    heads = ["listener", "address", "protocol", "pool", "live", "sessions", "in", "out"]
    return "<h2>Listeners</h2>" + _table(heads, 4, rows)


def _datagrams(listeners: Iterable[Mapping[str, Any]]) -> str:
    """Nothing where no listener speaks UDP."""
    rows = []
    for listener in listeners:
        counts = listener["datagrams"]
        if counts is not None:
            rows.append([escape(listener["name"]), _drops(counts["dropped"]), *_counts(counts)])
    heads = ["listener", "dropped by reason", "from clients", "to backends", "from backends", "to clients", "assured"]
    return "<h2>Datagrams</h2>" + _table([*heads, "receive queue"], 2, rows) if rows else ""


def _requests(listeners: Iterable[Mapping[str, Any]]) -> str:
    """Nothing where no listener speaks HTTP."""
    rows = []
    for listener in listeners:
        counts = listener["http"]
        if counts is not None:
            classes = _drops(counts["responses"])
            numbers = [read_count(counts[key]) for key in ("requests", "reused", "retried")]
            rows.append([escape(listener["name"]), classes, _drops(counts["own"]), *numbers])
    heads = ["listener", "responses by class", "own responses by reason", "requests", "reused", "retried"]
    return "<h2>HTTP</h2>" + _table(heads, 3, rows) if rows else ""


def _answers(pools: Iterable[Mapping[str, Any]]) -> str:
    """What clients of HTTP pools got, and how fast; nothing without such a pool."""
    rows = []
    for pool in pools:
        http = pool["http"]
        if http is not None:
            numbers = [read_count(http[key]) for key in ("own", "unanswered", "cut", "retried")]
            rows.append([escape(pool["name"]), _drops(http["responses"]), *recent_texts(http["recent"]), *numbers])
    heads = ["pool", "responses by class", *RECENT_HEADS, "own", "unanswered", "cut", "retried"]
    return "<h2>HTTP by pool</h2>" + _table(heads, 2, rows) if rows else ""


def _counts(counts: Mapping[str, Any]) -> list[str]:
    keys = ("from_clients", "to_backends", "from_backends", "to_clients", "flows_assured")
    return [*(read_count(counts[key]) for key in keys), read_bytes(counts["receive_buffer_bytes"])]


def _drops(dropped: Mapping[str, int]) -> str:
    """`no_backend 12, kernel 3`: the largest first."""
    ordered = sorted(dropped.items(), key=lambda item: -item[1])
    return escape(", ".join(f"{reason} {read_count(count)}" for reason, count in ordered))


def _pool(pool: Mapping[str, Any]) -> str:
    rows = [
        [
            escape(backend["address"]),
            _word(backend["state"]),
            _word(backend["verdict"]),
            escape(backend["last_check"] or ""),
            str(backend["weight"]),
            read_count(backend["sessions_live"]),
            read_count(backend["sessions"]),
            read_count(failed_attempts(backend)),
            read_bytes(backend["bytes_in"]),
            read_bytes(backend["bytes_out"]),
        ]
        for backend in pool["backends"][:ROWS_MAX]
    ]
    heads = ["backend", "state", "verdict", "last check", "weight", "live", "sessions", "failed", "in", "out"]
    left_out = len(pool["backends"]) - len(rows)
    note = f"<p>and {read_count(left_out)} more</p>" if left_out else ""
    title = f"<h2>Pool {escape(pool['name'])}</h2><p>{escape(policy_text(pool))}</p>"
    fallbacks = fallbacks_text(pool)
    if fallbacks:
        title += f'<p class="note">by the fallback: {escape(fallbacks)}</p>'
    return title + (_table(heads, 4, rows) if rows else "") + note


def _workers(workers: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        [
            str(worker["slot"]),
            _word(worker["state"]),
            str(worker["pid"]),
            str(worker["generation"]),
            read_count(worker["sessions_live"]),
            read_count(worker["deaths"]),
        ]
        for worker in workers
    ]
    return "<h2>Workers</h2>" + _table(["worker", "state", "pid", "generation", "live", "deaths"], 2, rows)


def failed_attempts(backend: Mapping[str, Any]) -> int:
    """Attempts to connect that the backend is to blame for."""
    return sum(
        count for outcome, count in backend["attempts"].items() if outcome not in ("connected", "abandoned")
    )


def _table(heads: Sequence[str], first_number: int, rows: Iterable[Sequence[str]]) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = [' class="n"' if place >= first_number else "" for place in range(len(row))]
        return "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{cells("th", heads)}</tr>{body}</table></div>'


def _word(word: str) -> str:
    kind = "good" if word in _GOOD else "bad" if word in _BAD else "odd"
    return f'<span class="{kind}">{escape(word)}</span>'
