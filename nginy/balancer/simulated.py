"""The pools of simulations: by the functions of the workers, asking a class first, or as a class publishes."""

import asyncio
import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from nginy.backend.address import split_address
from nginy.backend.choice import Client
from nginy.backend.owntables import OwnTable, check_basis, map_of, table_from
from nginy.backend.registry import BackendKey, ResolvedBackend
from nginy.backend.request import request_saying
from nginy.backend.trial import Trial
from nginy.balancer.api import Backend, Visit
from nginy.balancer.asked import AskedPool, context_of
from nginy.balancer.hooks import Hooks, check_policy, key_of
from nginy.balancer.published import Table, table_of
from nginy.balancer.publisher import Publisher
from nginy.model import ByKey, CallKey, Config, Key, PythonPolicy, RequestKey, TablePolicy

POOL = "simulated"
OF_DATAGRAMS = ("bytes", "quic_cid")
OF_ADDRESSES = ("source", "tuple")
OF_REQUESTS = ("header", "cookie", "path", "query", "host")
TURNS = 4  # of the loop, for what a class has begun to publish


class NativePool:
    """A pool whose policy runs in workers."""

    def __init__(self, config: Config, seed: int) -> None:
        self._found = []
        for one in config.pools[POOL].backends:
            if split_address(one.address).is_name:
                raise ValueError(f"{one.address}: nobody looks names up here; write an IP address")
            name = BackendKey(POOL, one.address, one.address)
            self._found.append(ResolvedBackend(name, one, one.weight, one.tier, one.state, one.max_conns))
        self._trial = Trial(config, {POOL: self._found}, seed=seed)
        native = config.pools[POOL].native
        self._key = native.key if isinstance(native, ByKey) else None

    def choose(self, key: Any, tried: Sequence[str] = ()) -> str | None:
        """One session's backend."""
        return self._trial.choose(POOL, self._trial.visit(POOL, client_of(key, self._key)), tried).address

    def close(self) -> None:
        """Nothing is open."""

    def begin(self, address: str) -> Any:
        """A session is there; what is returned is for its `end`."""
        self._trial.hold(POOL, address)
        return address

    def end(self, session: Any) -> None:
        """It is over."""
        self._trial.hold(POOL, session, -1)


class PythonPool:
    """A class is asked first; what it leaves open its fallback chooses. Owns both."""

    def __init__(self, config: Config, policy_class: Any, policy: PythonPolicy, seed: int) -> None:
        self._native = NativePool(config, seed)
        self._asked = AskedPool(policy_class, config.pools[POOL].backends, policy.args)
        self._is_own = True

    def choose(self, key: Any, tried: Sequence[str] = ()) -> str | None:
        """One session's backend."""
        context = context_of(visit_of(key) if isinstance(key, Client) else key)
        address = self._asked.choose(context, tried)
        self._is_own = address is not None
        return self._native.choose(client_of_visit(context), tried) if address is None else address

    def close(self) -> None:
        """Idempotent."""
        self._asked.close()

    def begin(self, address: str) -> Any:
        """A session is there; what is returned is for its `end`."""
        return self._native.begin(address), self._asked.begin(address, is_own=self._is_own)

    def end(self, session: Any) -> None:
        """It is over."""
        self._native.end(session[0])
        self._asked.end(session[1])


class KeyPool(NativePool):
    """A class says the key that the policy goes by; who has none goes by address. Owns a loop."""

    def __init__(self, config: Config, policy_class: Any, key: CallKey, seed: int) -> None:
        super().__init__(config, seed)
        self._runner = asyncio.Runner()
        try:
            self._said = policy_class(**key.args)
            check_policy(self._said, "call")
        except BaseException:
            self._runner.close()
            raise

    def choose(self, key: Any, tried: Sequence[str] = ()) -> str | None:
        """One session's backend."""
        context = context_of(visit_of(key) if isinstance(key, Client) else key)
        said = key_of(self._runner.run(self._ask(context)))
        return super().choose(Client(session=said) if said else client_of_visit(context), tried)

    async def _ask(self, context: Any) -> Any:
        said = self._said.key(context)
        return await said if inspect.isawaitable(said) else said

    def close(self) -> None:
        """Idempotent."""
        self._runner.close()


class TablePool(NativePool):
    """A class publishes; before each choice it gets some turns of its loop. Owns the loop."""

    def __init__(self, config: Config, policy_class: Any, policy: TablePolicy, seed: int) -> None:
        super().__init__(config, seed)
        self._conf = config.pools[POOL]
        self._waiting: list[Table] = []
        self._tables: dict[str, OwnTable] = {}
        self._weighed = self._found
        self._runner = asyncio.Runner()
        try:
            self._hooks = self._runner.run(self._hire(policy_class, policy))
        except BaseException:
            self._runner.close()
            raise

    async def _hire(self, policy_class: Any, policy: TablePolicy) -> Hooks:
        made = policy_class(**policy.args)
        hooks = Hooks(made, "table")
        made.publish = Publisher(lambda message: self._waiting.append(table_of(message)))
        backends = [
            Backend(number, one.address, one.weight, one.tier, one.state == "ready" and one.weight > 0)
            for number, one in enumerate(self._found)
        ]
        made.publish.show({backend.id: backend for backend in backends})
        hooks.build(backends)
        return hooks

    def choose(self, key: Any, tried: Sequence[str] = ()) -> str | None:
        """One session's backend."""
        self._runner.run(_turns())
        waiting, self._waiting = self._waiting, []
        for table in waiting:
            self._take(table)
        if waiting:
            self._trial.publish({POOL: self._weighed}, {POOL: list(self._tables.values())})
        return super().choose(key, tried)

    def _take(self, table: Table) -> None:
        if table.weights is not None:
            weights = table.weights
            self._weighed = [replace(one, weight=weights.get(nth, 0)) for nth, one in enumerate(self._found)]
        if table.keys is not None:
            self._tables.pop("map", None)
            found = map_of(POOL, self._conf, {key: self._found[id].address for key, id in table.keys.items()})
            if found is not None:
                self._tables["map"] = found
        if table.packed is not None:
            check_basis(POOL, self._conf, table.packed.kind, table.packed.compat)
            addresses = tuple(self._found[id].address for id in table.packed.names)
            self._tables["table"] = table_from(POOL, self._conf, table.packed, addresses)

    def close(self) -> None:
        """Cancel the class's tasks and close the loop. Idempotent."""
        self._runner.close()


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


# ---- what clients bring ----


def client_of(key: Any, by: Key | None) -> Client:
    """The client who brings this key. Errors: TypeError, ValueError."""
    if isinstance(key, Client):
        return key
    if not isinstance(key, (str, bytes)):
        raise TypeError(f"a key is text, bytes or a Client, not {key!r}")
    data = key.encode() if isinstance(key, str) else key
    kind = by.kind if by is not None else "session"
    if isinstance(by, RequestKey):
        return Client(request=request_saying(by, data.decode("latin-1")))
    if kind == "sni":
        return Client(name=data.decode("ascii", "replace"))
    if kind in OF_DATAGRAMS:
        return Client(received=data)
    if kind in OF_ADDRESSES:
        return Client(*_address_of(data.decode("ascii", "replace"), f"a key of kind `{kind}`"))
    return Client(session=data)


def _address_of(text: str, what: str) -> tuple[Any, int]:
    """ip, or ip and port."""
    with suppress(ValueError):
        return ip_address(text.strip("[]")), 0
    with suppress(ValueError):
        place = split_address(text)
        return ip_address(place.host), place.port
    raise ValueError(f"{text!r} is not {what}: write ip, ip:port, v6 or [v6]:port")


def client_of_visit(visit: Any) -> Client:
    """What a native policy finds in the context of a policy in Python."""
    ip, port = _address_of(visit.source, "a client's address") if visit.source else (None, 0)
    local_ip, local_port = _address_of(visit.destination, "an address") if visit.destination else (None, 0)
    return Client(ip, port, local_ip, local_port, visit.server_name, visit.first_bytes)


def visit_of(client: Client) -> Visit:
    """The context that a policy in Python gets of a client."""
    return Visit(
        source=_written(client.ip, client.port),
        destination=_written(client.local_ip, client.local_port),
        server_name=client.name.lower(),
        first_bytes=client.received,
    )


def _written(ip: Any, port: int) -> str:
    if ip is None:
        return ""
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"
