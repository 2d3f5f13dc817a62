"""What a pool's policy asks of its listeners and backends: a key that they have, a ring that fits."""

from __future__ import annotations

from nginy.config.read import Met
from nginy.config.tree import Problems
from nginy.model import RING_POINTS, RING_POINTS_MAX, Backend, ByKey, CalledPolicy, Listener, Pool, Preread, RingBase

_HINT = "take a key such as `source`, or give this listener a pool of its own"


def check_policies(met: list[Met], problems: Problems) -> None:
    """Note policies that their pool cannot follow. met: all mappings that were read."""
    pools = {entry.path[1]: entry for entry in met if entry.model is Pool and entry.path[:1] == ("pools",)}
    for entry in met:
        if entry.model is Listener and "pool" in entry.values and entry.values["pool"] in pools:
            _check_key(entry, pools[entry.values["pool"]], problems)
    weights = dict.fromkeys(pools, 0)
    for entry in met:
        if entry.model is Backend and entry.path[1] in weights:
            weights[entry.path[1]] += entry.values.get("weight", 1)
    for name, pool in pools.items():
        _check_ring(pool, weights[name] * RING_POINTS, problems)


def _check_key(listener: Met, pool: Met, problems: Problems) -> None:
    policy = _native(pool)
    if not isinstance(policy, ByKey):
        return
    kind, is_udp = policy.key.kind, listener.values.get("protocol") == "udp"
    why, hint = _lack(kind, is_udp, listener.values.get("preread"))
    if why:
        protocol = "udp" if is_udp else "tcp"
        message = f"the listener {listener.path[1]!r} (`protocol: {protocol}`) has no key `{kind}`: {why}"
        problems.add(pool.place_of("policy"), pool.path_of("policy"), message, f"{hint}{_HINT}")


def _native(pool: Met) -> object:
    """The policy that workers run themselves."""
    policy = pool.values.get("policy")
    return policy.fallback if isinstance(policy, CalledPolicy) else policy


def _lack(kind: str, is_udp: bool, preread: Preread | None) -> tuple[str, str]:
    """Why a listener has no key of this kind, and what else would help; empty when it has."""
    if is_udp:
        return ("UDP has no TLS hello", "") if kind == "sni" else ("", "")
    if kind == "quic_cid":
        return "TCP connections have no connection ids of QUIC", ""
    if kind == "sni" and (preread is None or preread.until != "tls_hello"):
        return "it reads no server name", "give it `preread: tls_hello`, "
    if kind == "bytes" and preread is None:
        return "it reads no first bytes before a backend is chosen", "give it `preread`, "
    return "", ""


def _check_ring(pool: Met, n_points: int, problems: Problems) -> None:
    policy = _native(pool)
    if not isinstance(policy, RingBase) or policy.compat == "ketama":
        return
    if n_points > RING_POINTS_MAX:
        message = f"the weights make a ring of {n_points:,} points; at most {RING_POINTS_MAX:,} are allowed"
        problems.add(pool.place_of("policy"), pool.path_of("policy"), message, "divide the weights, or take `maglev`")
