"""Choices without a socket: the same compiled functions that workers run, driven by a list of keys.

A policy written in Python is called as the policy process calls it; there is no fallback here, so that what it
leaves to one shows as nobody.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

from nginy.backend.address import split_address
from nginy.backend.registry import BackendKey, ResolvedBackend
from nginy.backend.trial import Client, Trial
from nginy.balancer.asked import AskedPool
from nginy.config import parse_config
from nginy.model import Config

POOL = "simulated"
OF_DATAGRAMS = ("bytes", "quic_cid")
OF_ADDRESSES = ("source", "tuple")


def simulate(
    policy: Any, backends: Mapping[str, int] | Iterable[Any], keys: Iterable[Any], *, hold: int = 0, seed: int = 1
) -> list[str | None]:
    """Whom a policy chooses for one client after the other. -> an address each, None where there is nobody.

    policy: a kind, or a mapping with `kind`, as in the configuration; or a class or an object with `choose`.
    backends: addresses, addresses with weights, or mappings as in the configuration.
    keys: what each client brings: text or bytes that the policy's key is made of, or a Client for policies whose key is
    something of the visit. A policy in Python gets them as context: a Visit as it is, text as `ip:port` of the client,
    bytes as first bytes.   hold: each session ends when so many later ones have begun; 0: at once.
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
        self._pool: AskedPool | NativePool
        self._pool = AskedPool(policy, rows) if is_python else NativePool(config, _kind_of_key(policy), seed)
        self._hold = hold
        self._held: deque[str] = deque()

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
            self._pool.begin(address)
            self._held.append(address)
            if len(self._held) > self._hold:
                self._pool.end(self._held.popleft())
        return address


class NativePool:
    """A pool whose policy runs in workers. key: kind of its key, empty for none of its own."""

    def __init__(self, config: Config, key: str, seed: int) -> None:
        found = []
        for one in config.pools[POOL].backends:
            if split_address(one.address).is_name:
                raise ValueError(f"{one.address}: nobody looks names up here; write an IP address")
            name = BackendKey(POOL, one.address, one.address)
            found.append(ResolvedBackend(name, one, one.weight, one.tier, one.state, one.max_conns))
        self._trial = Trial(config, {POOL: found}, seed=seed)
        self._key = key

    def choose(self, key: Any, tried: Sequence[str] = ()) -> str | None:
        """One session's backend."""
        return self._trial.choose(POOL, self._trial.visit(POOL, _client_of(key, self._key)), tried).address

    def close(self) -> None:
        """Nothing is open."""

    def begin(self, address: str) -> None:
        """A session is there."""
        self._trial.hold(POOL, address)

    def end(self, address: str) -> None:
        """One of them is over."""
        self._trial.hold(POOL, address, -1)


def _written(backends: Mapping[str, int] | Iterable[Any]) -> list[Any]:
    if isinstance(backends, Mapping):
        return [{"address": address, "weight": weight} for address, weight in backends.items()]
    return list(backends)


def _kind_of_key(policy: Any) -> str:
    """Of a policy as people write it; empty where it names none."""
    key = policy.get("key") if isinstance(policy, Mapping) else None
    return str(key.get("kind", "")) if isinstance(key, Mapping) else str(key or "")


def _tree_of(policy: Any, backends: list[Any]) -> dict[str, Any]:
    """A configuration around the pool, with a listener that has the key which the policy wants."""
    listener: dict[str, Any] = {"bind": "127.0.0.1:1", "pool": POOL}
    key = _kind_of_key(policy)
    if key in OF_DATAGRAMS:
        listener["protocol"] = "udp"
    elif key == "sni":
        listener["preread"] = "tls_hello"
    return {"version": 1, "pools": {POOL: {"policy": policy, "backends": backends}}, "listeners": {POOL: listener}}


def _client_of(key: Any, kind: str) -> Client:
    """The client who brings this key."""
    if isinstance(key, Client):
        return key
    if not isinstance(key, (str, bytes)):
        raise TypeError(f"a key is text, bytes or a Client, not {key!r}")
    data = key.encode() if isinstance(key, str) else key
    if kind == "sni":
        return Client(name=data.decode("ascii", "replace"))
    if kind in OF_DATAGRAMS:
        return Client(received=data)
    if kind in OF_ADDRESSES:
        place = split_address(data.decode())
        return Client(ip=ip_address(place.host), port=place.port)
    return Client(session=data)
