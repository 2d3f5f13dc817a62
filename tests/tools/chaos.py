"""A bad network in one small TCP proxy: latency, slices, a reset or silence after n bytes.

Seeded, so that it repeats.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Self

from tests.tools.sockets import CHUNK_BYTES, parse_address


@dataclass(frozen=True)
class Weather:
    """What happens to each connection.

    Counts are bytes towards the client and towards the backend together.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    slice_bytes: int = 0
    reset_after_bytes: int | None = None
    silent_after_bytes: int | None = None
    seed: int = 1


class Chaos:
    """Listens on a kernel's port and forwards to `target` through the weather.

    Its own event loop in its own thread.
    """

    def __init__(self, target: str, weather: Weather) -> None:
        self.target = target
        self.weather = weather
        self.accepted = 0
        self._random = random.Random(weather.seed)
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """As it stands in a configuration."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Drop every connection and end. Idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _run(self) -> None:
        self._listener.setblocking(False)
        acceptor = self._loop.create_task(self._accept())
        self._loop.run_forever()
        for task in (acceptor, *self._tasks):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(acceptor, *self._tasks, return_exceptions=True))
        self._listener.close()
        self._loop.close()

    async def _accept(self) -> None:
        while True:
            sock, _ = await self._loop.sock_accept(self._listener)
            self.accepted += 1
            task = self._loop.create_task(self._serve(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, front: socket.socket) -> None:
        family, target = parse_address(self.target)
        back = socket.socket(family, socket.SOCK_STREAM)
        back.setblocking(False)
        front.setblocking(False)
        passed = [0]
        try:
            await self._loop.sock_connect(back, target)
            async with asyncio.TaskGroup() as group:  # both have ended before a descriptor is closed
                group.create_task(self._pump(front, back, passed))
                group.create_task(self._pump(back, front, passed))
        except* OSError:
            for sock in (front, back):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            front.close()
            back.close()

    async def _pump(self, source: socket.socket, target: socket.socket, passed: list[int]) -> None:
        weather = self.weather
        while True:
            wanted = self._random.randint(1, weather.slice_bytes) if weather.slice_bytes else CHUNK_BYTES
            received = await self._loop.sock_recv(source, wanted)
            if not received:
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
                return
            if weather.latency_s or weather.jitter_s:
                await asyncio.sleep(weather.latency_s + self._random.random() * weather.jitter_s)
            passed[0] += len(received)
            if weather.reset_after_bytes is not None and passed[0] >= weather.reset_after_bytes:
                raise ConnectionResetError("weather")
            if weather.silent_after_bytes is not None and passed[0] >= weather.silent_after_bytes:
                await asyncio.Event().wait()
            await self._loop.sock_sendall(target, received)
