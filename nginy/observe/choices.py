"""What policies in Python were asked, as samples and as a tree."""

from typing import TYPE_CHECKING, Any

from nginy._fast.door import MISSES
from nginy.observe.source import PolicyProcessPicture, PoolPicture

if TYPE_CHECKING:
    from nginy.observe.sheet import Sheet

REPLACED_REASONS = ("died", "hang", "memory", "fork", "start", "nonsense")


def fill_choices(sheet: "Sheet", pool: PoolPicture) -> None:
    """One pool; nothing where no policy in Python is asked."""
    counters = pool.choices
    if counters is None:
        return
    labels = (pool.name,)
    sheet.add("nginy_policy_questions", labels, counters["asked"])
    sheet.add("nginy_policy_answers", labels, counters["answered"])
    for why, count in zip(MISSES, counters["misses"], strict=True):
        sheet.add("nginy_policy_fallbacks", (pool.name, why), count)
    sheet.add("nginy_policy_questions_abandoned", labels, counters["abandoned"])
    sheet.add("nginy_policy_answers_stale", labels, counters["stale"])
    sheet.add("nginy_policy_releases_dropped", labels, counters["releases_dropped"])


def choices_tree(pool: PoolPicture) -> dict[str, Any] | None:
    """What a policy in Python was asked, as `nginy status` shows it; None where none is."""
    counters = pool.choices
    if counters is None:
        return None
    misses = zip(MISSES, counters["misses"], strict=True)
    return {
        "asked": counters["asked"],
        "answered": counters["answered"],
        "fallbacks": {why: count for why, count in misses if count},
        "abandoned": counters["abandoned"],
        "stale": counters["stale"],
        "releases_dropped": counters["releases_dropped"],
    }


def fill_policy_process(sheet: "Sheet", process: PolicyProcessPicture) -> None:
    """The process behind all of them."""
    sheet.add("nginy_policy_process_up", (), 1 if process.pid else 0)
    for reason in REPLACED_REASONS:
        sheet.add("nginy_policy_process_replaced", (reason,), process.replaced.get(reason, 0))
