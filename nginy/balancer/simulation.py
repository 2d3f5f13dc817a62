"""Choices without a socket: the same compiled functions that workers run, driven by a list of keys.

A policy written in Python is called as the policy process calls it. What it leaves open goes to the fallback that the
mapping names; a class or an object alone has none, so that it shows as nobody.
"""

import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from nginy.balancer.asked import AskedPool
from nginy.balancer.load import load_class, looking_in
from nginy.balancer.simulated import OF_DATAGRAMS, OF_REQUESTS, POOL, KeyPool, NativePool, PythonPool, TablePool
from nginy.config import parse_config
from nginy.model import Config, PythonPolicy, TablePolicy


def simulate(
    policy: Any, backends: Mapping[str, int] | Iterable[Any], keys: Iterable[Any], *, hold: int = 0, seed: int = 1
) -> list[str | None]:
    """Whom a policy chooses for one client after the other. -> an address each, None where there is nobody.

    policy: a kind, or a mapping with `kind`, as in the configuration; or a class or an object with `choose`. Of
      `python` and `table` the class is called here; what a table has published counts from the next choice on.
    backends: addresses, addresses with weights, or mappings as in the configuration.
    keys: what each client brings: text or bytes that the policy's key is made of, or a Client for policies whose key is
    something of the visit. A policy in Python gets them as context: a Visit as it is, text as `ip:port` of the client,
    bytes as first bytes. An address may go without a port.
    hold: each session ends when so many later ones have begun; 0: at once.
    seed: of what is drawn at random. The order of one worker is exact; several workers begin at different phases.
    Errors: ConfigError for a policy or backends that the configuration would refuse; ValueError for a host name among
    them, and for a key that is no address where the policy's key is one; TypeError for a key that is neither.
    """
    with Simulator(policy, backends, hold=hold, seed=seed) as simulator:
        return list(simulator.run(keys))


class Simulator:
    """One pool with its sessions, to be asked step by step; then close, or use `with`. For one thread."""

    def __init__(
        self, policy: Any, backends: Mapping[str, int] | Iterable[Any], *, hold: int = 0, seed: int = 1
    ) -> None:
        is_python = hasattr(policy, "choose")
        config = parse_config(_tree_of("round_robin" if is_python else policy, _written(backends)), name="<simulation>")
        rows = config.pools[POOL].backends
        self._pool: AskedPool | PythonPool | NativePool
        self._pool = AskedPool(policy, rows) if is_python else _pool_of(config, seed)
        self._hold = hold
        self._held: deque[Any] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End what a policy in Python has begun in its loop. Idempotent."""
        self._pool.close()

    def run(self, keys: Iterable[Any]) -> Iterable[str | None]:
        """Each key's backend, one session after the other."""
        for key in keys:
            yield self.choose(key)

    def choose(self, key: Any, tried: Sequence[str] = ()) -> str | None:
        """One session's backend; it holds its place for `hold` further ones. tried: addresses of failed attempts."""
        address = self._pool.choose(key, tried)
        if address is not None:
            self._held.append(self._pool.begin(address))
            if len(self._held) > self._hold:
                self._pool.end(self._held.popleft())
        return address


def _written(backends: Mapping[str, int] | Iterable[Any]) -> list[Any]:
    if isinstance(backends, Mapping):
        return [{"address": address, "weight": weight} for address, weight in backends.items()]
    return list(backends)


def _kind_of_key(policy: Any) -> str:
    """Of a policy as people write it, or of its fallback; empty where it names none."""
    if not isinstance(policy, Mapping):
        return ""
    if "fallback" in policy:
        return _kind_of_key(policy["fallback"])
    key = policy.get("key")
    return str(key.get("kind", "")) if isinstance(key, Mapping) else str(key or "")


def _tree_of(policy: Any, backends: list[Any]) -> dict[str, Any]:
    """A configuration around the pool, with a listener that has the key which the policy wants."""
    listener: dict[str, Any] = {"bind": "127.0.0.1:1", "pool": POOL}
    key = _kind_of_key(policy)
    if key in OF_DATAGRAMS:
        listener["protocol"] = "udp"
    elif key in OF_REQUESTS:
        listener["protocol"] = "http"
    elif key == "sni":
        listener["preread"] = "tls_hello"
    return {"version": 1, "pools": {POOL: {"policy": policy, "backends": backends}}, "listeners": {POOL: listener}}


def _pool_of(config: Config, seed: int) -> PythonPool | NativePool:
    called = config.pools[POOL].called
    if called is None:
        return NativePool(config, seed)
    with looking_in(os.getcwd()):
        policy_class = load_class(called.call, called.kind, called.args)
    if isinstance(called, TablePolicy):
        return TablePool(config, policy_class, called, seed)
    if isinstance(called, PythonPolicy):
        return PythonPool(config, policy_class, called, seed)
    return KeyPool(config, policy_class, called, seed)
