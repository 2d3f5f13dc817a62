"""Two ends that know what each other will send: full duplex sessions with checked bytes, in asyncio.

The client's first line is the plan of the session; from it both sides compute both streams. Each side
checks what it receives and how the stream ended, and says so in the plan's verdict.
"""

import asyncio
import json
import random
import socket
import struct
from dataclasses import asdict, dataclass
from typing import Literal, Self

from tests.tools.sockets import CHUNK_BYTES

Ending = Literal["client_first", "backend_first", "both_at_once", "client_resets", "backend_resets"]
ENDINGS: tuple[Ending, ...] = (
    "client_first",
    "backend_first",
    "both_at_once",
    "client_resets",
    "backend_resets",
)
SPLIT_MAX = 20_000
LINE_BYTES = 256
GREETING = b"."
"""The backend's first byte: the session stands from end to end."""
SESSION_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Plan:
    """One session: how much goes each way, how it is cut into sends, how it ends."""

    number: int
    seed: int
    up_bytes: int
    down_bytes: int
    ending: Ending

    @classmethod
    def draw(cls, number: int, chance: random.Random, large_bytes: int) -> Self:
        """A random plan: mostly small, now and then large, now and then empty."""

        def size() -> int:
            return chance.choice(
                (0, chance.randint(1, 200), chance.randint(1, 20_000), chance.randint(1, large_bytes))
            )

        return cls(number, chance.randrange(2**32), size(), size(), chance.choice(ENDINGS))

    def stream(self, direction: Literal["up", "down"]) -> bytes:
        """The bytes of one direction."""
        length = self.up_bytes if direction == "up" else self.down_bytes
        return random.Random(f"{self.seed}{direction}").randbytes(length)

    def line(self) -> bytes:
        """The plan as the first bytes of the session."""
        return json.dumps(asdict(self)).encode().ljust(LINE_BYTES)


class Sheet:
    """What went wrong, by session; and which backends' verdicts are still missing."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.client_done = 0
        self.backend_done = 0

    def expect(self, plan: Plan, side: str, is_right: bool, what: str) -> None:
        """Note a broken expectation."""
        if not is_right:
            self.wrong.append(f"{side} {plan}: {what}")


async def send_split(sock: socket.socket, content: bytes, chance: random.Random) -> None:
    """Send in pieces of random size, sometimes giving others a turn between two."""
    loop = asyncio.get_running_loop()
    sent = 0
    while sent < len(content):
        size = chance.choice((1, chance.randint(1, 100), chance.randint(1, SPLIT_MAX)))
        await loop.sock_sendall(sock, content[sent : sent + size])
        sent += size
        if chance.random() < 0.1:
            await asyncio.sleep(0)


async def receive_all(sock: socket.socket) -> tuple[bytes, str]:
    """Everything, and whether it ended with `eof` or `reset`."""
    loop = asyncio.get_running_loop()
    parts = []
    while True:
        try:
            part = await loop.sock_recv(sock, CHUNK_BYTES)
        except ConnectionError:
            return b"".join(parts), "reset"
        if not part:
            return b"".join(parts), "eof"
        parts.append(part)


def close_with_reset(sock: socket.socket) -> None:
    """SO_LINGER 0, then close."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def run_side(sock: socket.socket, plan: Plan, side: Literal["client", "backend"], sheet: Sheet) -> None:
    """One end of a session, after the plan's line went over."""
    is_client = side == "client"
    chance = random.Random(f"{plan.seed}{side}")
    out = plan.stream("up" if is_client else "down")
    wanted = plan.stream("down" if is_client else "up")
    if plan.ending == f"{side}_resets":
        await send_split(sock, out[: len(out) // 2], chance)
        close_with_reset(sock)
        return
    is_reset_expected = plan.ending in ("client_resets", "backend_resets")
    receiving = asyncio.create_task(receive_all(sock))
    has_felt_reset = False
    try:
        if plan.ending == ("backend_first" if is_client else "client_first"):
            await receiving
        await send_split(sock, out, chance)
        if not is_reset_expected:
            sock.shutdown(socket.SHUT_WR)
    except OSError as error:
        sheet.expect(plan, side, is_reset_expected, f"sending failed: {error!r}")
        has_felt_reset = True  # the kernel tells of a reset once; after that, reading just ends
    finally:
        if asyncio.current_task().cancelling():  # type: ignore[union-attr]
            receiving.cancel()
    got, end = await receiving
    end = "reset" if has_felt_reset else end
    if is_reset_expected:
        sheet.expect(plan, side, end == "reset", f"a cut transfer ended with {end} after {len(got)} bytes")
        sheet.expect(plan, side, wanted.startswith(got), "other bytes before the cut")
    else:
        sheet.expect(plan, side, end == "eof", f"ended with {end} after {len(got)} of {len(wanted)} bytes")
        sheet.expect(plan, side, got == wanted, f"{len(got)} bytes, not the {len(wanted)} that were sent")


async def client_session(address: tuple[str, int], plan: Plan, sheet: Sheet) -> None:
    """The client's end of one session, from connect to close."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    try:
        async with asyncio.timeout(SESSION_TIMEOUT_S):
            await loop.sock_connect(sock, address)
            await loop.sock_sendall(sock, plan.line())
            await loop.sock_recv(sock, len(GREETING))
            await run_side(sock, plan, "client", sheet)
    except (OSError, TimeoutError) as error:
        sheet.expect(plan, "client", False, repr(error))
    finally:
        sheet.client_done += 1
        sock.close()


async def backend_session(sock: socket.socket, sheet: Sheet) -> None:
    """The backend's end of one session."""
    loop = asyncio.get_running_loop()
    line = b""
    try:
        async with asyncio.timeout(SESSION_TIMEOUT_S):
            while len(line) < LINE_BYTES:
                part = await loop.sock_recv(sock, LINE_BYTES - len(line))
                if not part:
                    sheet.wrong.append(f"backend: ended within the plan: {line!r}")
                    return
                line += part
            await loop.sock_sendall(sock, GREETING)
            await run_side(sock, Plan(**json.loads(line)), "backend", sheet)
    except (OSError, TimeoutError) as error:
        sheet.wrong.append(f"backend {line!r}: {error!r}")
    finally:
        sheet.backend_done += 1
        sock.close()


async def serve_backend(listener: socket.socket, sheet: Sheet) -> None:
    """Accept and serve sessions until cancelled."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    async with asyncio.TaskGroup() as group:
        while True:
            sock, _ = await loop.sock_accept(listener)
            sock.setblocking(False)
            group.create_task(backend_session(sock, sheet))


async def run_sessions(front: str, listeners: list[socket.socket], plans: list[Plan], at_once: int) -> Sheet:
    """All plans through `front`, so many at a time; the backends are served in the same loop."""
    sheet = Sheet()
    host, _, port = front.rpartition(":")
    waiting = iter(plans)

    async def client() -> None:
        for plan in waiting:
            await client_session((host, int(port)), plan, sheet)

    backends = [asyncio.create_task(serve_backend(listener, sheet)) for listener in listeners]
    await asyncio.gather(*(client() for _ in range(at_once)))
    async with asyncio.timeout(SESSION_TIMEOUT_S):
        while sheet.backend_done < len(plans) and not sheet.wrong:
            await asyncio.sleep(0.01)
    for task in backends:
        task.cancel()
    await asyncio.gather(*backends, return_exceptions=True)
    return sheet
