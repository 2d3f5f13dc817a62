"""Host names to addresses, bounded in time, number and size. Remembers the last good answer of each name."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

from nginy.backend.events import EventLog, Silence

TIMEOUT_S = 5.0
LOOKUPS_AT_ONCE = 8
ADDRESSES_MAX = 256
"""Per name: an answer of thousands is a mistake or an attack, and each address costs a check and a row."""

Lookup = Callable[[str], Awaitable[Iterable[str]]]
"""host -> literal addresses, in any order, doubles allowed. Any exception is a failed look-up."""


class LookupFailedError(Exception):
    """A name has no address now. The text says why."""


async def lookup_system(host: str) -> list[str]:
    """All A and AAAA addresses, as the system's resolver (hosts file included) gives them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    # A link-local address means nothing without its interface, which a backend's address has no place for.
    return [str(where[0]) for _, _, _, _, where in found if len(where) < 4 or not where[3]]


class Names:
    """The last good answer of each name that was asked for.

    known: answers of an earlier life, used while a name cannot be looked up.
    timeout_s: per look-up, once it has its turn.
    Thread: one loop.   Ownership: `stop` ends every look-up that is still under way.
    """

    def __init__(
        self,
        lookup: Lookup = lookup_system,
        log: EventLog | None = None,
        *,
        known: Mapping[str, Iterable[str]] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._lookup = lookup
        self._log: EventLog = log or Silence()
        self._timeout_s = timeout_s
        self._gate = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._running: dict[str, asyncio.Future[Iterable[str]]] = {}
        self._answers = {host: _ordered(found)[:ADDRESSES_MAX] for host, found in (known or {}).items()}
        self._reasons: dict[str, str] = {}
        self._capped: set[str] = set()

    @property
    def answers(self) -> Mapping[str, tuple[str, ...]]:
        """Name to its addresses, IPv4 first, each kind in numeric order; absent without an answer."""
        return self._answers

    def reason(self, host: str) -> str:
        """Why the latest look-up failed; empty when it did not."""
        return self._reasons.get(host, "")

    def keep(self, hosts: Iterable[str]) -> None:
        """Forget all other names."""
        kept = set(hosts)
        for memory in (self._answers, self._reasons):
            for host in memory.keys() - kept:
                del memory[host]
        self._capped &= kept

    async def refresh(self, host: str) -> None:
        """Look one name up. A failure keeps the last answer and is logged once, and so is the recovery."""
        try:
            addresses = await self._ask(host)
        except LookupFailedError as error:
            kept = len(self._answers.get(host, ()))
            if kept and host not in self._reasons:
                self._log.event("resolve_failed", "warning", name=host, reason=str(error), kept=kept)
            self._reasons[host] = str(error)
            return
        if self._reasons.pop(host, None) and host in self._answers:
            self._log.event("resolve_recovered", name=host, addresses=len(addresses))
        self._answers[host] = self._capped_to_max(host, addresses)

    async def stop(self) -> None:
        """End what is under way. A system look-up stuck in its thread ends there by itself, unheard."""
        running = list(self._running.values())
        for lookup in running:
            lookup.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _ask(self, host: str) -> tuple[str, ...]:
        async with self._gate:
            lookup = self._running.get(host)
            if lookup is None:
                lookup = self._running[host] = asyncio.ensure_future(self._lookup(host))
                lookup.add_done_callback(lambda _: self._running.pop(host, None))
            # Not cancelled when time is up: a thread cannot be stopped; the next call must not start another.
            await asyncio.wait({lookup}, timeout=self._timeout_s)
        if not lookup.done():
            raise LookupFailedError(f"no answer within {self._timeout_s:g} s")
        if lookup.cancelled():
            raise LookupFailedError("stopped")
        error = lookup.exception()
        if error is not None:
            raise LookupFailedError(_reason(error))
        try:
            addresses = _ordered(lookup.result())
        except ValueError as bad:
            raise LookupFailedError(str(bad)) from None
        if not addresses:
            raise LookupFailedError("no addresses")
        return addresses

    def _capped_to_max(self, host: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
        if len(addresses) <= ADDRESSES_MAX:
            self._capped.discard(host)
            return addresses
        if host not in self._capped:
            self._capped.add(host)
            found = len(addresses)
            self._log.event("resolve_capped", "warning", name=host, found=found, used=ADDRESSES_MAX)
        return addresses[:ADDRESSES_MAX]


def _ordered(addresses: Iterable[str]) -> tuple[str, ...]:
    """Sorted and without doubles: a resolver that rotates its answers must not look like a change."""
    return tuple(str(ip) for ip in sorted({ip_address(text) for text in addresses}, key=_rank))


def _rank(ip: IPv4Address | IPv6Address) -> tuple[int, int]:
    return ip.version, int(ip)


def _reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
