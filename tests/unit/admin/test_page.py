"""The page at /: everything shown, nothing trusted."""

import time
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

from nginy._fast.door import DROPS, MISSES, SPAN_BUCKETS_S
from nginy.admin.page import ROWS_MAX, render_page
from nginy.control.view import PoolView
from nginy.observe.recent import Recent
from nginy.observe.status import status_tree
from tests.unit.observe.pictures import (
    Source,
    backend,
    http_pool_counters,
    listener,
    pool,
    pool_counters,
    udp_counters,
    udp_listener,
    view,
)


class Balance(HTMLParser):
    """Fails for a tag that is not closed in order; collects text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def shown(source: Source, *unready: str) -> tuple[str, str]:
    """The page and its text."""
    page = render_page({"version": "1", "pid": 1, **status_tree(source)}, unready)
    reader = Balance()
    reader.feed(page)
    assert reader.open == []
    return page, " ".join(reader.text)


def test_names_addresses_verdicts_and_reasons_are_shown() -> None:
    _, text = shown(
        Source(view(pools=(pool("api", backend(verdict="down", last_check="refused")),))),
        "no backend is there",
    )
    for wanted in (
        "serving",
        "web",
        "127.0.0.1:32768",
        "api",
        "round_robin",
        "10.0.0.1:80",
        "down",
        "refused",
    ):
        assert wanted in text
    assert "not ready: no backend is there" in text


def test_datagrams_are_shown_where_udp_is_spoken_with_the_commonest_loss_first() -> None:
    drops = tuple({"no_backend": 3, "refused": 1200}.get(name, 0) for name in DROPS)
    dns = udp_listener(datagrams=udp_counters(from_clients=12345, assured=17, drops=drops), receive_bytes=4 * 2**20)
    _, text = shown(Source(view(listeners=(listener(), dns))))
    for wanted in ("Datagrams", "udp", "12,345", "17", "refused 1,200, no_backend 3", "4.0 MiB"):
        assert wanted in text
    _, text = shown(Source())
    assert "Datagrams" not in text


def test_what_clients_of_a_pool_got_is_shown_with_the_last_seconds() -> None:
    now = http_pool_counters(
        responses=(0, 900, 0, 0, 100), cut=7, total_hist=(0, 0, 1000, *[0] * (len(SPAN_BUCKETS_S) - 2))
    )
    source = Source(view(pools=(replace(pool("api"), requests=now), pool("other"))))
    _, text = shown(source)
    assert "HTTP by pool" in text and "2xx 900, 5xx 100" in text
    recent = Recent(replace(source, board=SimpleNamespace(http_pool=lambda _id: http_pool_counters())))
    recent.look(time.monotonic() - 10)
    page = render_page({"version": "1", "pid": 1, **status_tree(source, recent)}, ())
    for wanted in ("100.0<", "10.0%", "1.8 ms", "2.5 ms"):
        assert wanted in page, wanted
    _, text = shown(Source())
    assert "HTTP by pool" not in text


def test_a_pool_says_how_often_its_fallback_chose_and_a_group_who_its_members_are() -> None:
    misses = tuple({"late": 12, "dead": 3}.get(name, 0) for name in MISSES)
    asked = replace(pool("asked"), policy="python", choices=pool_counters(asked=1200, misses=misses))
    calm = replace(pool("calm"), policy="python", choices=pool_counters(asked=7))
    site = PoolView(3, "site", "group", (), members=(("asked", 9), ("calm", 1)))
    _, text = shown(Source(view(pools=(asked, calm, site))))
    assert "by the fallback: late 12, dead 3 of 1,200 choices" in text
    assert text.count("by the fallback") == 1
    assert "group of asked 9, calm 1" in text
    assert text.count("last check") == 2, "a group has no backends of its own to show"


def test_a_large_pool_is_shown_in_part() -> None:
    many = pool("api", *(backend(f"10.0.0.{n}:80") for n in range(ROWS_MAX + 5)))
    _, text = shown(Source(view(pools=(many,))))
    assert f"10.0.0.{ROWS_MAX - 1}:80" in text
    assert f"10.0.0.{ROWS_MAX}:80" not in text
    assert "and 5 more" in text


def test_no_text_can_become_markup() -> None:
    evil = "<img src=x onerror=alert(1)>"
    picture = view(
        listeners=(listener(evil, evil),), pools=(pool(evil, backend(evil, state=evil, verdict=evil)),)
    )
    page, text = shown(Source(picture), evil)
    assert "<img" not in page
    assert evil in text
