"""`nginy status` on a screen: what a person has to see is there, and only trouble is red."""

from io import StringIO
from typing import Any

from rich.console import Console

from nginy.cli.status import answer_table, request_table


def http_listener(own: dict[str, int]) -> dict[str, Any]:
    counts = {"requests": 20, "responses": {"2xx": 9, "5xx": 1}, "own": own, "retried": 2, "reused": 7}
    return {"name": "site", "http": counts}


def screen_of(own: dict[str, int]) -> str:
    console = Console(file=StringIO(), width=160, force_terminal=True)
    console.print(request_table([http_listener(own)]))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_what_routes_answer_is_no_error() -> None:
    quiet = screen_of({"responded": 6, "redirected": 4})
    assert "10" in quiet and "\x1b[31m" not in quiet and "error:" not in quiet
    loud = screen_of({"responded": 6, "no_backend": 3})
    assert "error: no_backend 3" in loud and "\x1b[31m" in loud


def test_a_pool_shows_its_last_seconds_and_nothing_where_they_are_not_known() -> None:
    counts = {"responses": {"2xx": 1200, "5xx": 3}, "unanswered": 2, "cut": 0, "retried": 1}
    known = {"requests_per_s": 120.5, "error_share": 0.008, "p50_ms": 1.25, "p99_ms": 30.0}
    console = Console(file=StringIO(), width=160)
    pools = [{"name": name, "http": counts | {"recent": recent}} for name, recent in (("api", known), ("new", None))]
    console.print(answer_table(pools))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(wanted in text for wanted in ("120.5", "0.8%", "1.2 ms", "30.0 ms", "1,200"))
    assert text.count(" ms") == 2
