"""Checked traffic in the background: short sessions one after the other, and long ones that live until told.

Everything runs in one event loop in one thread, together with its own echo backends if wanted. Failures are
kept as text; a test reads them at the end. Nothing here retries.
"""

import asyncio
import contextlib
import hashlib
import random
import socket
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

from tests.tools.sockets import CHUNK_BYTES, parse_address

SESSION_TIMEOUT_S = 20.0
LASTING_S = 120.0
LAST_BYTES_MAX = 2048
BULK_BLOCK_BYTES = 1 << 20
BULK_BLOCKS_MAX = 24
HANG_UP_S = 2.0


@dataclass
class Tally:
    """What happened. Times in seconds."""

    done: int = 0
    refused: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    first_byte_s: list[float] = field(default_factory=list)
    lasting_rounds: int = 0
    bulk_bytes: int = 0
    lasting_live: int = 0

    def percentile_ms(self, share: float) -> float:
        """Of connect plus first byte, over the short sessions."""
        times = sorted(self.first_byte_s)
        return times[min(len(times) - 1, int(share * len(times)))] * 1000 if times else 0.0

    def failures(self) -> list[str]:
        """Refused and broken ones together."""
        return self.refused + self.broken


class Traffic:
    """A context manager around the loop. `tally` may be read from any thread."""

    def __init__(self, seed: int = 1) -> None:
        self.tally = Tally()
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def short(self, address: str, at_once: int = 8, pause_s: float = 0.01) -> None:
        """Keep `at_once` clients busy, each with one short session after the other."""
        for _ in range(at_once):
            self._spawn(self._short_sessions(address, pause_s))

    def lasting(self, address: str, count: int, pause_s: float = 0.05) -> None:
        """Open so many sessions that exchange checked bytes for LASTING_S, or until stop().

        They end at last, because what lives is remembered: without an end, control's memory would grow with them.
        """
        for _ in range(count):
            self._spawn(self._lasting_session(address, pause_s))

    def bulk(self, address: str, at_once: int = 2, pause_s: float = 0.3) -> None:
        """Keep `at_once` clients sending megabytes and comparing what comes back."""
        for _ in range(at_once):
            self._spawn(self._bulk_sessions(address, pause_s))

    def stop(self) -> Tally:
        """Let every session come to its end and return the tally. Idempotent."""
        self._is_stopping = True
        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result(SESSION_TIMEOUT_S * 2)
        return self.tally

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        def begin() -> None:
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(begin)

    async def _drain(self) -> None:
        await asyncio.gather(*self._tasks)

    async def _short_sessions(self, address: str, pause_s: float) -> None:
        while not self._is_stopping:
            payload = self._random.randbytes(self._random.randint(1, 8192))
            began_s = time.monotonic()
            try:
                async with asyncio.timeout(SESSION_TIMEOUT_S):
                    first_s = await self._one_session(address, payload)
                self.tally.done += 1
                self.tally.first_byte_s.append(first_s - began_s)
            except ConnectionRefusedError as error:
                self.tally.refused.append(f"after {time.monotonic() - began_s:.3f} s: {error!r}")
            except (OSError, TimeoutError, AssertionError) as error:
                self.tally.broken.append(f"short, after {time.monotonic() - began_s:.3f} s: {error!r}")
            await asyncio.sleep(pause_s * (0.5 + self._random.random()))

    async def _bulk_sessions(self, address: str, pause_s: float) -> None:
        while not self._is_stopping:
            block = self._random.randbytes(BULK_BLOCK_BYTES)
            times = self._random.randint(1, BULK_BLOCKS_MAX)
            try:
                async with asyncio.timeout(SESSION_TIMEOUT_S):
                    await self._one_bulk(address, block, times)
                self.tally.bulk_bytes += len(block) * times
            except ConnectionRefusedError as error:
                self.tally.refused.append(f"bulk: {error!r}")
            except (OSError, TimeoutError, AssertionError) as error:
                self.tally.broken.append(f"bulk of {times} MiB: {error!r}")
            await asyncio.sleep(pause_s * (0.5 + self._random.random()))

    async def _one_bulk(self, address: str, block: bytes, times: int) -> None:
        sock = await self._connect(address)
        sent, got = hashlib.sha256(), hashlib.sha256()

        async def send() -> None:
            for _ in range(times):
                sent.update(block)
                await self._loop.sock_sendall(sock, block)
            sock.shutdown(socket.SHUT_WR)

        sender = self._loop.create_task(send())
        try:
            n_bytes = 0
            while part := await self._loop.sock_recv(sock, BULK_BLOCK_BYTES):
                got.update(part)
                n_bytes += len(part)
            await sender
            assert n_bytes == len(block) * times, f"{n_bytes} of {len(block) * times} bytes came back"
            assert got.digest() == sent.digest(), "other bytes came back"
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            sock.close()

    async def _one_session(self, address: str, payload: bytes) -> float:
        sock = await self._connect(address)
        try:
            await self._loop.sock_sendall(sock, payload)
            sock.shutdown(socket.SHUT_WR)
            answer = await self._loop.sock_recv(sock, CHUNK_BYTES)
            first_s = time.monotonic()
            while part := await self._loop.sock_recv(sock, CHUNK_BYTES):
                answer += part
            assert answer == payload, f"{len(answer)} of {len(payload)} bytes came back"
            return first_s
        finally:
            sock.close()

    async def _connect(self, address: str) -> socket.socket:
        family, target = parse_address(address)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await self._loop.sock_connect(sock, target)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _lasting_session(self, address: str, pause_s: float) -> None:
        rounds = 0
        end_s = self._loop.time() + LASTING_S
        try:
            sock = await self._connect(address)
        except OSError as error:
            self.tally.refused.append(f"lasting: {error!r}")
            return
        self.tally.lasting_live += 1
        try:
            while not self._is_stopping and self._loop.time() < end_s:
                payload = self._random.randbytes(self._random.randint(1, LAST_BYTES_MAX))
                async with asyncio.timeout(SESSION_TIMEOUT_S):
                    await self._loop.sock_sendall(sock, payload)
                    answer = b""
                    while len(answer) < len(payload):
                        part = await self._loop.sock_recv(sock, CHUNK_BYTES)
                        assert part, f"ended in round {rounds}"
                        answer += part
                assert answer == payload, f"other bytes in round {rounds}"
                rounds += 1
                self.tally.lasting_rounds += 1
                await asyncio.sleep(pause_s * (0.5 + self._random.random()))
        except (OSError, TimeoutError, AssertionError) as error:
            self.tally.broken.append(f"lasting, round {rounds}: {error!r}")
        finally:
            self.tally.lasting_live -= 1
            sock.close()


class EchoBackend:
    """An echo backend for much traffic: one event loop, no thread per connection."""

    def __init__(self) -> None:
        self.accepted = 0
        self.transports: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it with all its connections. Idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _run(self) -> None:
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Echo(self), sock=self._listener)
        )
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._hang_up())
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _hang_up(self) -> None:
        """A loop that only stops would keep its connections open, and nginy's sessions with them."""
        for transport in list(self.transports):
            transport.close()
        end_s = self._loop.time() + HANG_UP_S
        while self.transports and self._loop.time() < end_s:
            await asyncio.sleep(0.005)
        for transport in list(self.transports):
            transport.abort()
        await asyncio.sleep(0.01)


class _Echo(asyncio.Protocol):
    def __init__(self, owner: EchoBackend) -> None:
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._owner.accepted += 1
        self._owner.transports.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._owner.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def eof_received(self) -> bool:
        return False
