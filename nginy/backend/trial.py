"""A trial: what workers would choose for a client, found out by the functions that they run, and why.

Nothing is connected and nothing is changed. Behind `nginy route` and `nginy.balancer.simulate`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from nginy._fast import door
from nginy._fast.choices import TRIED_MOST, Choices, Visit
from nginy.backend.choice import Choice, Client, Known, Numbers, Passed
from nginy.backend.owntables import Kept, blocks_of, mapped
from nginy.backend.registry import BackendKey, Resolved, ResolvedBackend
from nginy.backend.snapshot import Ids, build_snapshot
from nginy.model import ByKey, Config, SourceHash

_NOTHING: Mapping[BackendKey, int] = MappingProxyType({})
BURDENS = {"bounded_ring": "at its bound", "bounded_maglev": "at its bound", "hash_preserve": "saturated"}
"""Policies that pass over a backend that others would take, and why."""
NOBODY = {-code: name for code, name in enumerate(door.REASONS)}


class Trial:
    """One worker's choices over a configuration. For one thread.

    resolved: addresses by pool.   verdicts: what health checks say; none means unknown.   ids: a running nginy's own.
    in_flight: sessions by pool and address.   seed: of random draws.
    """

    def __init__(
        self,
        config: Config,
        resolved: Resolved,
        *,
        verdicts: Mapping[BackendKey, str] | None = None,
        ids: Ids | None = None,
        in_flight: Mapping[tuple[str, str], int] | None = None,
        known: Known | None = None,
        seed: int = 1,
    ) -> None:
        self.config = config
        self._resolved = resolved
        self._verdicts = dict(verdicts or {})
        self._ids = ids or Numbers.of(config, resolved)
        self._seed = seed
        self._more = known or Known()
        self._known = {self._ids.backend(one.pool, one.address): one for some in resolved.values() for one in some}
        self._tables = blocks_of(config, resolved, self._ids, self._more.own)
        self._choices = self._chooser(resolved, self._verdicts, self._more.since)
        for (pool, address), load_ms in self._more.loads_ms.items():
            self._choices.set_load(self._ids.backend(pool, address), load_ms)
        self._blank: Choices | None = None
        self._in_flight = dict(in_flight or {})
        for (pool, address), n in self._in_flight.items():
            self._choices.set_in_flight(self._ids.backend(pool, address), n)

    def _chooser(
        self, resolved: Resolved, verdicts: Mapping[BackendKey, str], since: Mapping[BackendKey, int] = _NOTHING
    ) -> Choices:
        choices = Choices(self._snapshot(resolved, verdicts, since), self._seed)
        for table in self._tables:
            choices.adopt(table)
        return choices

    def _snapshot(
        self, resolved: Resolved, verdicts: Mapping[BackendKey, str], since: Mapping[BackendKey, int]
    ) -> bytes:
        by_key = mapped(self.config, self._more.own)
        return build_snapshot(1, self.config, self._ids, resolved, verdicts, [], since=since, mapped=by_key)

    def publish(self, resolved: Resolved, own: Kept) -> None:
        """The same backends, with other weights and other tables of programs'; turns go on."""
        self._resolved, self._more, self._blank = resolved, replace(self._more, own=own), None
        self._tables = blocks_of(self.config, resolved, self._ids, own)
        self._choices.use(self._snapshot(resolved, self._verdicts, self._more.since))
        for table in self._tables:
            self._choices.adopt(table)

    # ---- choosing ----

    def pool_of(self, listener: str, client: Client) -> str | None:
        """The pool that serves a client of this listener; None when no route is for it. Errors: KeyError for an unknown
        listener."""
        number = self._choices.route(self._ids.listener(listener), self.visit(listener, client))
        return next((name for name in self.config.listeners[listener].pools if self._ids.pool(name) == number), None)

    def choose(self, pool: str, visit: Visit, tried: Sequence[str] = ()) -> Choice:
        """The backend for one attempt. tried: addresses of earlier ones. Errors: KeyError for an unknown name."""
        before = [number for number, one in self._of(pool) if one.address in tried]
        got = self._choices.choose(self._ids.pool(pool), visit, before, self._more.now_ms)
        if got < 0 and self.config.pools[pool].of:
            return Choice(pool, "group", None, NOBODY.get(got, str(got)))
        if got >= 0:
            pool = self._known[got].pool
        kind = self.config.pools[pool].native.kind  # of a policy in Python its fallback: nobody asks user code here
        key, key_hash = self._choices.key_of(self._ids.pool(pool), visit) if self._is_by_key(pool) else (b"", 0)
        if got < 0:
            return Choice(pool, kind, None, NOBODY.get(got, str(got)), key, key_hash)
        return Choice(pool, kind, self._known[got].address, "", key, key_hash)

    def _is_by_key(self, pool: str) -> bool:
        """Whether the pool's policy, or a map, looks at a key."""
        is_keyed = isinstance(self.config.pools[pool].native, ByKey | SourceHash)
        return is_keyed or pool in mapped(self.config, self._more.own)

    def _of(self, pool: str) -> list[tuple[int, ResolvedBackend]]:
        """The backends that sessions of a pool may go to, with their ids, in configured order."""
        leaves = self.config.leaves(pool)
        return [(self._ids.backend(one.pool, one.address), one) for leaf in leaves for one in self._resolved[leaf]]

    def place(self, pool: str, visit: Visit) -> str:
        """Where the pool's table is looked up first, in words; empty for policies without one."""
        found = self._choices.place_of(self._ids.pool(pool), visit)
        if found is None:
            return ""
        what, at, beside, id = found
        owner = self._known[id].address if id in self._known else "nobody"
        if what == "point":
            return f"{at:08x} on the ring, next point {beside:08x} of {owner}"
        return f"slot {at} of {beside}, of {owner}"

    def hold(self, pool: str, address: str, n: int = 1) -> None:
        """So many more sessions on this backend; fewer with a negative n."""
        number = self._ids.backend(pool, address)
        self._choices.set_in_flight(number, max(self._choices.get_in_flight(number) + n, 0))

    def visit(self, listener: str, client: Client) -> Visit:
        """A client of this listener, as the data plane knows it."""
        local_ip, local_port = client.local_ip, client.local_port
        return Visit(
            client.ip.packed if client.ip is not None else b"",
            client.port,
            local_ip=local_ip.packed if local_ip is not None else b"",
            local_port=local_port,
            listener=self._ids.listener(listener),
            listener_hash=door.name_hash(listener),
            name=client.name.lower().encode("ascii", "replace"),
            received=client.received,
            session=client.session,
            request=client.request,
        )

    # ---- why ----

    def explain(self, choice: Choice, visit: Visit, tried: Sequence[str] = ()) -> Choice:
        """The same choice with the candidates that came before it and were passed over.

        Their order is that of a pool in which everybody is free and well, asked by the same functions.
        """
        number = self._ids.pool(choice.pool)
        blank = self._free()
        before: list[int] = []
        passed = [Passed(address, "was tried before") for address in tried]
        while len(before) < TRIED_MOST:
            got = blank.choose(number, visit, before)
            if got < 0 or got in before or self._known[got].address == choice.address:
                break
            before.append(got)
            one = self._known[got]
            why = self.fault(one) or self._burden(one, choice.policy) or self._youth(one)
            if not why:
                break  # no order among the well ones: it was another one's turn
            if one.address not in tried:
                passed.append(Passed(one.address, why))
        return replace(choice, place=self.place(choice.pool, visit), passed=tuple(passed))

    def fault(self, one: ResolvedBackend) -> str:
        """Why a backend takes no new session; empty when it does."""
        n = self._choices.get_in_flight(self._ids.backend(one.pool, one.address))
        if one.state != "ready":
            return f"state is {one.state}"
        if self._verdict(one) == "down":
            return "down by its health checks"
        if one.weight == 0:
            return "weight is 0"
        if one.max_conns and n >= one.max_conns:
            return f"full: {n} sessions, max_conns is {one.max_conns}"
        return ""

    def _burden(self, one: ResolvedBackend, policy: str) -> str:
        """Why a policy that goes on from a busy backend to the next one has passed it; empty for other policies."""
        burden = BURDENS.get(policy, "")
        n = self._choices.get_in_flight(self._ids.backend(one.pool, one.address))
        return f"{burden}, with {n} sessions" if burden else ""

    def _youth(self, one: ResolvedBackend) -> str:
        """Why slow start has passed it; empty where that holds nobody back."""
        slow, since_ms = self.config.pools[one.pool].slow_start, self._more.since.get(one.key)
        if slow is None or since_ms is None or self._more.now_ms - since_ms >= slow.window * 1000:
            return ""
        return f"held back by slow start, {(self._more.now_ms - since_ms) / 1000:.1f} s after it came up"

    def _verdict(self, one: ResolvedBackend) -> str:
        health = self.config.pools[one.pool].health
        if health is None:
            return "unknown"
        unknown: Literal["down", "unknown"] = "down" if health.start == "down" else "unknown"
        verdict = self._verdicts.get(one.key, "unknown")
        return unknown if verdict == "unknown" else verdict

    def _free(self) -> Choices:
        """Choices among the same backends, each of them ready, well and empty."""
        if self._blank is None:
            well = {one.key: "up" for backends in self._resolved.values() for one in backends}
            ready = {
                pool: [replace(one, state="ready", weight=one.weight or 1, max_conns=None) for one in backends]
                for pool, backends in self._resolved.items()
            }
            self._blank = self._chooser(ready, well)
        return self._blank

    # ---- shares ----

    def shares(self, pool: str, visits: Sequence[Visit]) -> list[str | None]:
        """Each visit's backend. All stay while the others come, so that policies which look at load see some."""
        chosen = [self._held(self.choose(pool, visit)) for visit in visits]
        for choice in chosen:
            if choice.address is not None:
                self.hold(choice.pool, choice.address, -1)
        return [choice.address for choice in chosen]

    def _held(self, choice: Choice) -> Choice:
        if choice.address is not None:
            self.hold(choice.pool, choice.address)
        return choice

    def addresses(self, pool: str) -> list[str]:
        """Of its backends, in configured order."""
        return [one.address for _, one in self._of(pool)]

    def again(self, pool: str = "", without: str = "") -> "Trial":
        """The same from the beginning; without one backend of a pool, as a reload would leave it."""
        leaves = self.config.leaves(pool) if without else ()
        rest = {
            name: [one for one in some if name not in leaves or one.address != without]
            for name, some in self._resolved.items()
        }
        known = {(one.pool, one.address) for some in rest.values() for one in some}
        return Trial(
            self.config,
            rest,
            verdicts=self._verdicts,
            ids=self._ids,
            in_flight={place: n for place, n in self._in_flight.items() if place in known},
            known=replace(self._more, loads_ms={at: ms for at, ms in self._more.loads_ms.items() if at in known}),
            seed=self._seed,
        )
