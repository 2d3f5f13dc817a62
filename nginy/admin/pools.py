"""What is said of a pool besides its backends, on the page and on the terminal."""

from collections.abc import Mapping
from typing import Any

from nginy.admin.amounts import read_count

RECENT_HEADS = ("requests/s", "errors", "p50", "p99")


def policy_text(pool: Mapping[str, Any]) -> str:
    """The policy, and the members of a group: `group of blue 9, green 1`."""
    members = ", ".join(f"{member['pool']} {member['weight']}" for member in pool["of"])
    return f"{pool['policy']} of {members}" if members else str(pool["policy"])


def fallbacks_text(pool: Mapping[str, Any]) -> str:
    """How often its fallback chose in place of a policy in Python: `late 12, dead 3 of 1,200 choices`. Mostly empty."""
    choices = pool["choices"] or {"fallbacks": {}}
    ordered = sorted(choices["fallbacks"].items(), key=lambda item: -item[1])
    whys = ", ".join(f"{why} {read_count(count)}" for why, count in ordered)
    return f"{whys} of {read_count(choices['asked'])} choices" if whys else ""


def recent_texts(recent: Mapping[str, Any] | None) -> list[str]:
    """Below RECENT_HEADS: `120.5`, `0.8%`, `1.2 ms`, `30.0 ms`; empty for what is not known."""
    if recent is None:
        return ["", "", "", ""]
    share = recent["error_share"]
    return [
        f"{recent['requests_per_s']:,.1f}",
        "" if share is None else f"{share:.1%}",
        *("" if recent[key] is None else f"{recent[key]:,.1f} ms" for key in ("p50_ms", "p99_ms")),
    ]
