"""A pool whose policy is a Python object, without a policy process: for simulations."""

import asyncio
import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from nginy.backend.registry import ResolvedBackend
from nginy.balancer.api import Backend, Visit
from nginy.balancer.hooks import Hooks
from nginy.balancer.load import NO_ARGUMENTS
from nginy.model import Backend as Row


class AskedPool:
    """Calls the hooks in the order in which the policy process calls them. For one thread; owns a loop.

    policy: a class, or an object that serves nobody else.   rows: of the configuration.   args: of a class.
    Errors: TypeError for what is no policy; whatever the policy raises.
    """

    def __init__(
        self, policy: Any, rows: Iterable[Row | ResolvedBackend], args: Mapping[str, Any] = NO_ARGUMENTS
    ) -> None:
        self._rows = dict(enumerate(rows))
        self._ids = {row.address: number for number, row in self._rows.items()}
        self._in_flight: Counter[int] = Counter()
        self._visit = 0
        self._runner = asyncio.Runner()
        try:
            self._hooks = self._runner.run(self._hire(policy, args))
        except BaseException:
            self._runner.close()
            raise

    async def _hire(self, policy: Any, args: Mapping[str, Any]) -> Hooks:
        hooks = Hooks(policy(**args) if inspect.isclass(policy) else policy)
        hooks.build([self._shown(number, row) for number, row in self._rows.items()])
        return hooks

    def _shown(self, number: int, row: Row | ResolvedBackend) -> Backend:
        is_usable = row.state == "ready" and row.weight > 0
        return Backend(number, row.address, row.weight, row.tier, is_usable, self._in_flight.__getitem__)

    def choose(self, key: Any, tried: Sequence[str] = ()) -> str | None:
        """The address that the policy names; None where the fallback would choose. tried: of failed attempts."""
        if not tried:
            self._visit += 1
        number = self._runner.run(self._ask(context_of(key), len(tried)))
        row = self._rows.get(-1 if number is None else number)
        if row is None or row.state != "ready" or row.weight == 0 or row.address in tried:
            return None
        if row.max_conns and self._in_flight[self._ids[row.address]] >= row.max_conns:
            return None
        return row.address

    async def _ask(self, context: Any, attempt: int) -> int | None:
        chosen = self._hooks.choose(self._visit, context, attempt)
        return self._hooks.id_of(await chosen if inspect.isawaitable(chosen) else chosen)

    def close(self) -> None:
        """Cancel the policy's tasks and close the loop. Idempotent."""
        self._runner.close()

    def begin(self, address: str, *, is_own: bool = True) -> tuple[int, int, bool]:
        """The session of the last choice is there; what is returned is for its `end`. is_own: as in Outcome."""
        number = self._ids[address]
        self._in_flight[number] += 1
        return self._visit, number, is_own

    def end(self, session: tuple[int, int, bool]) -> None:
        """It has ended well; `release` is told so."""
        self._in_flight[session[1]] -= 1
        self._runner.run(self._release(*session))

    async def _release(self, visit: int, number: int, is_own: bool) -> None:
        told = {"kind": "closed", "is_own": is_own, "is_last": True, "connect_s": 0.0, "session_s": 0.0}
        self._hooks.release(visit, number, told)


def context_of(key: Any) -> Any:
    """Text is the client's `ip:port`, bytes are what it sends first, all else is a context already."""
    if isinstance(key, str):
        return Visit(source=_with_port(key))
    return Visit(first_bytes=key) if isinstance(key, bytes) else key


def _with_port(text: str) -> str:
    """An address without a port gets port 0; what is none stays as it is."""
    try:
        ip = ip_address(text.strip("[]"))
    except ValueError:
        return text
    return f"[{ip}]:0" if ip.version == 6 else f"{ip}:0"
