"""The picture of control as plain JSON values: what `status` answers.

The shape is documented in docs/admin.md.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from nginy._fast.door import OUTCOMES, REASONS
from nginy.observe.choices import choices_tree
from nginy.observe.datagrams import datagram_tree
from nginy.observe.handshakes import handshake_tree
from nginy.observe.recent import Recent
from nginy.observe.requests import pool_request_tree, request_tree
from nginy.observe.source import BackendPicture, ListenerPicture, Picture, PoolPicture, WorkerPicture

STATUS_VERSION = 1


class StatusSource(Protocol):
    """Control, as far as the status needs it."""

    @property
    def addresses(self) -> Mapping[str, list[str]]: ...
    def view(self) -> Picture: ...


def status_tree(source: StatusSource, recent: Recent | None = None) -> dict[str, Any]:
    """Everything about the running nginy, as JSON values. Control's loop only. recent: knows the last seconds."""
    picture = source.view()
    return {
        "status_version": STATUS_VERSION,
        "state": picture.state,
        "generation": picture.generation,
        "started_s": picture.started_s,
        "uptime_s": round(picture.uptime_s, 3),
        "workers": [_worker(worker) for worker in picture.workers],
        "listeners": [_listener(listener, source.addresses) for listener in picture.listeners],
        "pools": [_pool(pool, recent) for pool in picture.pools],
        "certificates": dict(picture.certificates),
    }


def _worker(worker: WorkerPicture) -> dict[str, Any]:
    return {
        "slot": worker.slot,
        "pid": worker.pid,
        "state": worker.state,
        "generation": worker.adopted_gen,
        "sessions_live": worker.sessions,
        "deaths": worker.deaths,
        "counters": {
            name: list(value) if isinstance(value, tuple) else value for name, value in worker.counters.items()
        },
    }


def _listener(listener: ListenerPicture, addresses: Mapping[str, list[str]]) -> dict[str, Any]:
    counters = listener.counters
    return {
        "name": listener.name,
        "bind": list(listener.bind),
        "addresses": list(addresses.get(listener.name, listener.bind)),
        "protocol": listener.protocol,
        "pool": listener.pool,
        "pools": list(listener.pools),
        "sessions": counters["accepted"],
        "sessions_live": counters["live"],
        "bytes_in": counters["bytes_in"],
        "bytes_out": counters["bytes_out"],
        "ends": {reason: count for reason, count in zip(REASONS, counters["reasons"], strict=True) if count},
        "datagrams": datagram_tree(listener),
        "http": request_tree(listener),
        "tls": handshake_tree(listener),
    }


def _pool(pool: PoolPicture, recent: Recent | None) -> dict[str, Any]:
    http = pool_request_tree(pool)
    if http is not None and pool.requests is not None:
        http["recent"] = recent.of(pool.name, pool.requests) if recent is not None else None
    return {
        "name": pool.name,
        "policy": pool.policy,
        "choices": choices_tree(pool),
        "backends": [_backend(backend) for backend in pool.backends],
        "of": [{"pool": name, "weight": weight} for name, weight in pool.members],
        "http": http,
    }


def _backend(backend: BackendPicture) -> dict[str, Any]:
    counters = backend.counters
    attempts = {name: count for name, count in zip(OUTCOMES, counters["outcomes"], strict=True) if count}
    connects = sum(counters["connect_hist"])
    return {
        "address": backend.address,
        "resolved": backend.resolved,
        "weight": backend.weight,
        "tier": backend.tier,
        "state": backend.state,
        "verdict": backend.verdict,
        "last_check": backend.last_check,
        "sessions": counters["sessions"],
        "sessions_live": counters["live"],
        "bytes_in": counters["bytes_in"],
        "bytes_out": counters["bytes_out"],
        "attempts": attempts,
        "connect_ms_mean": round(counters["connect_us_sum"] / connects / 1000, 3) if connects else None,
    }
