"""Choices without a socket: the same compiled functions that workers run, driven by a list of keys."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from nginy.backend.address import split_address
from nginy.backend.registry import BackendKey, ResolvedBackend
from nginy.backend.trial import Client, Trial
from nginy.config import parse_config

POOL = "simulated"
OF_DATAGRAMS = ("bytes", "quic_cid")
OF_ADDRESSES = ("source", "tuple")


def simulate(
    policy: Any, backends: Mapping[str, int] | Iterable[Any], keys: Iterable[Any], *, hold: int = 0, seed: int = 1
) -> list[str | None]:
    """Whom a policy chooses for one client after the other. -> an address each, None where there is nobody.

    policy: a kind, or a mapping with `kind`, as in the configuration.
    backends: addresses, addresses with weights, or mappings as in the configuration.
    keys: what each client brings: text or bytes that the policy's key is made of, or a Client for policies whose key is
    something of the visit. hold: each session ends when so many later ones have begun; 0: at once.
    seed: of what is drawn at random. The order of one worker is exact; several workers begin at different phases.
    Errors: ConfigError for a policy or backends that the configuration would refuse; ValueError for a host name among
    them, and for a key that is no address where the policy's key is one.
    """
    return list(Simulator(policy, backends, hold=hold, seed=seed).run(keys))


class Simulator:
    """One pool with its sessions, to be asked step by step. For one thread."""

    def __init__(
        self, policy: Any, backends: Mapping[str, int] | Iterable[Any], *, hold: int = 0, seed: int = 1
    ) -> None:
        config = parse_config(_tree_of(policy, _written(backends)), name="<simulation>")
        pool = config.pools[POOL]
        found = []
        for one in pool.backends:
            place = split_address(one.address)
            if place.is_name:
                raise ValueError(f"{one.address}: nobody looks names up here; write an IP address")
            key = BackendKey(POOL, one.address, one.address)
            found.append(ResolvedBackend(key, one, one.weight, one.tier, one.state, one.max_conns))
        self._trial = Trial(config, {POOL: found}, seed=seed)
        self._key = _kind_of_key(policy)
        self._hold = hold
        self._held: deque[str] = deque()

    def run(self, keys: Iterable[Any]) -> Iterable[str | None]:
        """Each key's backend, one session after the other."""
        for key in keys:
            yield self.choose(key)

    def choose(self, key: Any, tried: Sequence[str] = ()) -> str | None:
        """One session's backend; it holds its place for `hold` further ones. tried: addresses of failed attempts."""
        visit = self._trial.visit(POOL, _client_of(key, self._key))
        address = self._trial.choose(POOL, visit, tried).address
        if address is not None and self._hold:
            self._trial.hold(POOL, address)
            self._held.append(address)
            if len(self._held) > self._hold:
                self._trial.hold(POOL, self._held.popleft(), -1)
        return address


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
    data = key.encode() if isinstance(key, str) else bytes(key)
    if kind == "sni":
        return Client(name=data.decode("ascii", "replace"))
    if kind in OF_DATAGRAMS:
        return Client(received=data)
    if kind in OF_ADDRESSES:
        place = split_address(data.decode())
        return Client(ip=ip_address(place.host), port=place.port)
    return Client(session=data)
