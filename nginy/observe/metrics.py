"""The board as Prometheus metrics.

A picture is taken on control's loop; turning it into text happens in a thread, so that a scrape of ten
thousand backends does not hold control.
"""

import asyncio
import platform
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

import nginy
from nginy._fast.door import CONNECT_BUCKETS_S, LAYOUT_VERSION, OUTCOMES, REASONS, STATES, VERDICTS
from nginy.observe.access import STAGES
from nginy.observe.choices import fill_choices, fill_policy_process
from nginy.observe.datagrams import fill_datagrams
from nginy.observe.handshakes import fill_certificates, fill_handshakes
from nginy.observe.requests import fill_pool_requests, fill_requests
from nginy.observe.sheet import Climb, Labels, Lift, Sheet
from nginy.observe.source import Counters, Picture, Source, count_usable, wary_pools
from nginy.observe.workers import fill_worker

CONTROL_STATES = ("starting", "serving", "reloading", "draining", "stopped")
RELOAD_RESULTS = ("applied", "unchanged", "refused")
PLAIN_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class DropCounts(Protocol):
    """The access drain, as far as metrics care."""

    @property
    def dropped(self) -> Mapping[str, int]: ...


class LogDrops(Protocol):
    """The event log, as far as metrics care."""

    @property
    def dropped(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one scrape shows, taken at one instant."""

    picture: Picture
    wary: Collection[str]
    reloads: Mapping[str, int]
    access_dropped: Mapping[str, int]
    log_dropped: int
    now_ms: int


class Metrics:
    """Counts what only events tell, and renders everything. All calls on control's loop."""

    def __init__(
        self, source: Source, *, access: DropCounts | None = None, log: LogDrops | None = None
    ) -> None:
        self._source = source
        self._access = access
        self._log = log
        self._reloads = dict.fromkeys(RELOAD_RESULTS, 0)
        self._climb = Climb()
        self._one_at_a_time = asyncio.Lock()
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)

    def count_reload(self, result: str) -> None:
        """Count one reload. Errors: KeyError for a result that is not in RELOAD_RESULTS."""
        self._reloads[result] += 1

    def read(self) -> Reading:
        """Take the picture of one scrape."""
        return Reading(
            picture=self._source.view(),
            wary=wary_pools(self._source.config),
            reloads=dict(self._reloads),
            access_dropped=self._access.dropped if self._access else {},
            log_dropped=self._log.dropped if self._log else 0,
            now_ms=time.monotonic_ns() // 1_000_000,
        )

    async def render(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and text for a scraper that accepts `accept`. One scrape is rendered at a time."""
        async with self._one_at_a_time:
            reading = self.read()
            return await asyncio.to_thread(self._encode, reading, accept)

    def _encode(self, reading: Reading, accept: str) -> tuple[str, bytes]:
        sheet = Sheet()
        fill(sheet, reading, self._climb.lift)
        encode, content_type = encoder_for(accept)
        return content_type, encode(_Joined(sheet, self._own))


class _Joined:
    def __init__(self, sheet: Sheet, own: CollectorRegistry) -> None:
        self._sheet = sheet
        self._own = own

    def collect(self) -> list[Metric]:
        return [*self._sheet.collect(), *self._own.collect()]


def encoder_for(accept: str) -> tuple[Callable[[Any], bytes], str]:
    """OpenMetrics for scrapers that ask for it, else plain text."""
    types = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if "application/openmetrics-text" in types:
        return openmetrics.generate_latest, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest, PLAIN_TEXT


def fill(sheet: Sheet, reading: Reading, lift: Lift) -> None:
    """Put one reading on the sheet. Any thread."""
    _fill_control(sheet, reading)
    _fill_listeners(sheet, reading.picture)
    _fill_pools(sheet, reading.picture, reading.wary)
    fill_policy_process(sheet, reading.picture.policy_process)
    ring_dropped = 0
    for worker in reading.picture.workers:
        fill_worker(sheet, worker, reading.now_ms, lift)
        ring_dropped += lift("ring_dropped", (str(worker.slot),), worker.counters["access_dropped"])
    dropped = {**reading.access_dropped, "worker": ring_dropped}
    for stage in STAGES:
        sheet.add("nginy_access_log_dropped", (stage,), dropped.get(stage, 0))


def _fill_control(sheet: Sheet, reading: Reading) -> None:
    picture = reading.picture
    version_labels = (nginy.__version__, platform.python_version(), str(LAYOUT_VERSION))
    sheet.add("nginy_build_info", version_labels, 1)
    sheet.add("nginy_start_time_seconds", (), picture.started_s)
    sheet.one_hot("nginy_state", (), picture.state, CONTROL_STATES)
    sheet.add("nginy_config_generation", (), picture.generation)
    for result, count in reading.reloads.items():
        sheet.add("nginy_config_reloads", (result,), count)
    sheet.add("nginy_log_dropped", (), reading.log_dropped)


def _fill_listeners(sheet: Sheet, picture: Picture) -> None:
    for listener in picture.listeners:
        name, counters = listener.name, listener.counters
        sheet.add("nginy_listener_sessions", (name,), counters["accepted"])
        sheet.add("nginy_listener_sessions_live", (name,), counters["live"])
        sheet.add("nginy_listener_bytes", (name, "in"), counters["bytes_in"])
        sheet.add("nginy_listener_bytes", (name, "out"), counters["bytes_out"])
        for reason, count in zip(REASONS, counters["reasons"], strict=True):
            sheet.add("nginy_session_ends", (name, reason), count)
        fill_datagrams(sheet, listener)
        fill_requests(sheet, listener)
        fill_handshakes(sheet, listener)
    fill_certificates(sheet, picture)


def _fill_pools(sheet: Sheet, picture: Picture, wary: Collection[str]) -> None:
    for pool in picture.pools:
        fill_pool_requests(sheet, pool)
        if pool.members:  # its members' backends are theirs
            continue
        sheet.add("nginy_pool_backends", (pool.name,), len(pool.backends))
        sheet.add("nginy_pool_backends_usable", (pool.name,), count_usable(pool, wary))
        fill_choices(sheet, pool)
        for backend in pool.backends:
            labels = (pool.name, backend.address, backend.resolved)
            sheet.one_hot("nginy_backend_verdict", labels, backend.verdict, VERDICTS)
            sheet.one_hot("nginy_backend_state", labels, backend.state, STATES)
            sheet.add("nginy_backend_weight", labels, backend.weight)
            _fill_backend_counters(sheet, labels, backend.counters)


def _fill_backend_counters(sheet: Sheet, labels: Labels, counters: Counters) -> None:
    sheet.add("nginy_backend_sessions", labels, counters["sessions"])
    sheet.add("nginy_backend_sessions_live", labels, counters["live"])
    sheet.add("nginy_backend_bytes", (*labels, "in"), counters["bytes_in"])
    sheet.add("nginy_backend_bytes", (*labels, "out"), counters["bytes_out"])
    for outcome, count in zip(OUTCOMES, counters["outcomes"], strict=True):
        sheet.add("nginy_backend_attempts", (*labels, outcome), count)
    total_s = counters["connect_us_sum"] / 1e6
    sheet.histogram("nginy_backend_connect_seconds", labels, CONNECT_BUCKETS_S, counters["connect_hist"], total_s)
