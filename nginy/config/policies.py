"""What a pool's policy asks of its listeners and backends: a key that they have, a ring that fits."""

from __future__ import annotations

from nginy.config.groups import leaves_of
from nginy.config.read import Met
from nginy.config.tree import Problems
from nginy.model import (
    RING_POINTS,
    RING_POINTS_MAX,
    Backend,
    ByKey,
    CalledPolicy,
    Key,
    Listener,
    MaglevBase,
    Pool,
    Preread,
    RequestKey,
    RingBase,
    SliceKey,
)

_HINT = "take a key such as `source`, or give this listener a pool of its own"


def check_policies(met: list[Met], problems: Problems) -> None:
    """Note policies that their pool cannot follow. met: all mappings that were read."""
    pools = {entry.path[1]: entry for entry in met if entry.model is Pool and entry.path[:1] == ("pools",)}
    reached = leaves_of(met)
    for entry in met:
        for leaf in reached(entry) if entry.model is Listener else ():
            if leaf in pools:
                _check_key(entry, pools[leaf], problems)
    weights: dict[str | int, list[int]] = {name: [] for name in pools}
    for entry in met:
        if entry.model is Backend and entry.path[1] in weights:
            weights[entry.path[1]].append(entry.values.get("weight", 1))
    for name, pool in pools.items():
        _check_ring(pool, weights[name], problems)
        _check_slots(pool, weights[name], problems)


def _check_key(listener: Met, pool: Met, problems: Problems) -> None:
    policy = _native(pool)
    if not isinstance(policy, ByKey):
        return
    kind, protocol = policy.key.kind, listener.values.get("protocol", "tcp")
    if listener.says("preread") and "preread" not in listener.values:
        return
    why, hint = _lack(policy.key, protocol, listener.values.get("preread"))
    binds = listener.values.get("bind", ())
    if kind in ("source", "tuple", "destination") and binds and all(bind.startswith("unix:") for bind in binds):
        why = "all its binds are unix sockets, which have no addresses"
    if why:
        message = f"the listener {listener.path[1]!r} (`protocol: {protocol}`) has no key `{kind}`: {why}"
        problems.add(pool.place_of("policy"), pool.path_of("policy"), message, f"{hint}{_HINT}")


def _native(pool: Met) -> object:
    """The policy that workers run themselves."""
    policy = pool.values.get("policy")
    return policy.fallback if isinstance(policy, CalledPolicy) else policy


def _lack(key: Key, protocol: str, preread: Preread | None) -> tuple[str, str]:
    """Why a listener has no key of this kind, and what else would help; empty when it has."""
    kind = key.kind
    if isinstance(key, RequestKey):
        return ("", "") if protocol == "http" else ("it reads no requests", "write `protocol: http` there, ")
    if protocol == "udp":
        return ("UDP has no TLS hello", "") if kind == "sni" else ("", "")
    if kind == "quic_cid":
        return "TCP connections have no connection ids of QUIC", ""
    if kind == "sni" and (preread is None or preread.until != "tls_hello"):
        return "it reads no server name", "give it `preread: tls_hello`, "
    if kind == "bytes" and preread is None:
        return "it reads no first bytes before a backend is chosen", "give it `preread`, "
    if isinstance(key, SliceKey) and preread is not None and preread.until != "tls_hello":
        end = key.offset + key.length
        if end > preread.until:
            return f"it waits for {preread.until} bytes, and the key ends at byte {end}", f"write `preread: {end}`, "
    return "", ""


def _check_ring(pool: Met, weights: list[int], problems: Problems) -> None:
    policy = _native(pool)
    if not isinstance(policy, RingBase):
        return
    is_ketama = policy.compat == "ketama"  # there weights only divide what there is
    n_points = RING_POINTS * sum(weight > 0 if is_ketama else weight for weight in weights)
    if n_points > RING_POINTS_MAX:
        what, hint = ("backends", "take") if is_ketama else ("weights", "divide the weights, or take")
        message = f"the {what} make a ring of {n_points:,} points; at most {RING_POINTS_MAX:,} are allowed"
        problems.add(pool.place_of("policy"), pool.path_of("policy"), message, f"{hint} `maglev`")


def _check_slots(pool: Met, weights: list[int], problems: Problems) -> None:
    policy, count = _native(pool), sum(weight > 0 for weight in weights)
    if isinstance(policy, MaglevBase) and policy.size < count:
        message = f"a table of {policy.size} slots for {count} backends: some would never be chosen"
        hint = f"leave `size` out, or make it a prime of {100 * count} or more"
        problems.add(pool.place_of("policy"), pool.path_of("policy"), message, hint)
