"""The metrics of one worker: its row, in which everything starts at zero again when the worker is replaced."""

from nginy._fast.door import TURN_BUCKETS_S, TURN_STAGES
from nginy.observe.sheet import Labels, Lift, Sheet
from nginy.observe.source import Counters, WorkerPicture

WORKER_SERVES = "serving"

_COUNTERS = {
    "nginy_worker_accepted": "accepted",
    "nginy_worker_turns": "turns",
    "nginy_worker_accept_pauses": "accept_paused",
    "nginy_worker_stale_events": "stale_events",
    "nginy_worker_snapshots_rejected": "rejected",
    "nginy_worker_unbuffered": "unbuffered",
    "nginy_worker_pipes_refused": "pipes_refused",
    "nginy_worker_spliced_bytes": "spliced_bytes",
    "nginy_worker_spins": "spins",
}
_GAUGES = {
    "nginy_worker_sessions_live": "live",
    "nginy_worker_sessions_max": "sessions_max",
    "nginy_worker_leases": "leases",
    "nginy_worker_timers_live": "timers_live",
    "nginy_worker_buffers_used": "buffers_used",
    "nginy_worker_buffers_max": "buffers_max",
    "nginy_worker_pipes_lent": "pipes_lent",
    "nginy_worker_pipes_open": "pipes_open",
    "nginy_worker_pipes_max": "pipes_max",
}


def fill_worker(sheet: Sheet, worker: WorkerPicture, now_ms: int, lift: Lift) -> None:
    """Put one worker on the sheet. now_ms: monotonic clock."""
    labels, counters = (str(worker.slot),), worker.counters
    sheet.add("nginy_worker_up", labels, 1 if worker.state == WORKER_SERVES else 0)
    sheet.add("nginy_worker_deaths", labels, worker.deaths)
    sheet.add("nginy_worker_adopted_generation", labels, worker.adopted_gen)
    turn_ms = counters["turn_ms"]
    sheet.add("nginy_worker_turn_age_seconds", labels, max(0, now_ms - turn_ms) / 1000 if turn_ms else 0)
    for name, key in _COUNTERS.items():
        sheet.add(name, labels, lift(name, labels, counters[key]))
    for name, key in _GAUGES.items():
        sheet.add(name, labels, counters[key])
    _fill_turns(sheet, labels, counters, lift)


def _fill_turns(sheet: Sheet, labels: Labels, counters: Counters, lift: Lift) -> None:
    name = "nginy_worker_turn_seconds"
    counts = [lift(name, (*labels, str(nth)), count) for nth, count in enumerate(counters["turn_hist"])]
    total_s = lift(f"{name}_sum", labels, counters["turn_us_sum"]) / 1e6
    sheet.histogram(name, labels, TURN_BUCKETS_S, counts, total_s)
    for stage, count in zip(TURN_STAGES, counters["slow_turns"], strict=True):
        where = (*labels, stage)
        sheet.add("nginy_worker_slow_turns", where, lift("nginy_worker_slow_turns", where, count))
