"""Policies in Python for tests: good ones, and one for each way to be a bad one."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from nginy.balancer.api import Backend, Context, Outcome

NOTES = "POLICY_NOTES"  # variable: a file that release records are written to


class ByPort:
    """The client's port decides, in the order of the backends; what ends is written down."""

    def build(self, backends: Any) -> None:
        self.backends: list[Backend] = list(backends)

    def choose(self, context: Context, attempt: int) -> Any:
        return self.backends[(context.source_port + attempt) % len(self.backends)]

    def release(self, backend: Backend, outcome: Outcome) -> None:
        if NOTES in os.environ:
            with Path(os.environ[NOTES]).open("a") as file:
                moved = outcome.bytes_in, outcome.bytes_out
                file.write(f"{(backend.address, outcome.kind, outcome.is_own, outcome.is_last, *moved)!r}\n")


class ByPortSoon(ByPort):
    """The same, after a moment."""

    async def choose(self, context: Context, attempt: int) -> Any:
        await asyncio.sleep(0.001)
        return ByPort.choose(self, context, attempt)


class Last(ByPort):
    """Always the last backend, whatever it is."""

    def choose(self, context: Context, attempt: int) -> Any:
        return self.backends[-1].id


class Numbered(ByPort):
    """The backend with this number, and the next ones for retries."""

    def __init__(self, number: int, *, more: Any = ()) -> None:
        self.number = number + sum(more)

    def choose(self, context: Context, attempt: int) -> Any:
        return self.backends[self.number + attempt]


class Idlest(ByPort):
    """The fewest in flight; the first of equals."""

    def choose(self, context: Context, attempt: int) -> Any:
        return min(self.backends, key=lambda backend: backend.in_flight)


class ByToken(ByPort):
    """The first byte is the number of the backend."""

    def choose(self, context: Context, attempt: int) -> Any:
        return self.backends[int(context.first_bytes[:1])]


class Retrying(ByPort):
    """The state of a visit lasts through its attempts: the last backend first, then the one before."""

    def start(self, context: Context) -> list[Backend]:
        return list(self.backends)

    def choose(self, context: Any, attempt: int) -> Any:
        return context.pop()


class Unmade(ByPort):
    def __init__(self) -> None:
        raise LookupError("nothing to begin with")


class Sleepy(ByPort):
    async def choose(self, context: Context, attempt: int) -> Any:
        await asyncio.sleep(10)


class Slow(ByPort):
    """Answers, but too late for anybody."""

    def choose(self, context: Context, attempt: int) -> Any:
        time.sleep(0.05)
        return self.backends[-1]


class Raising(ByPort):
    def choose(self, context: Context, attempt: int) -> Any:
        raise LookupError("nobody at home")


class Nobody(ByPort):
    def choose(self, context: Context, attempt: int) -> Any:
        return None


class Stranger(ByPort):
    def choose(self, context: Context, attempt: int) -> Any:
        return 54_321


class Nonsense(ByPort):
    def choose(self, context: Context, attempt: int) -> Any:
        return "the blue one"


class Hanging(ByPort):
    def choose(self, context: Context, attempt: int) -> Any:
        time.sleep(10)
        return self.backends[0]


class Dying(ByPort):
    def choose(self, context: Context, attempt: int) -> Any:
        os._exit(3)


class Forking(ByPort):
    def choose(self, context: Context, attempt: int) -> Any:
        os.fork()
        return self.backends[0]


class Hungry(ByPort):
    """Eats memory in bites that it keeps; small ones, so that nobody takes it for hanging."""

    eaten: list[bytes] = []

    def choose(self, context: Context, attempt: int) -> Any:
        for _ in range(4):
            self.eaten.append(b"\1" * (4 * 2**20))
        return self.backends[0]


class Weights:
    """A table: the last backend gets everything, from a task in the loop; then, told by a file, the first one."""

    publish: Any

    def build(self, backends: Any) -> None:
        self.backends: list[Backend] = list(backends)
        self.publish({self.backends[-1]: 3})
        if NOTES in os.environ:
            self.task = asyncio.get_running_loop().create_task(self.wait())

    async def wait(self) -> None:
        while not Path(os.environ[NOTES]).exists():
            await asyncio.sleep(0.01)
        await asyncio.to_thread(self.publish, {self.backends[0].address: 1})


class Keys(Weights):
    """A map of two clients; the second backend has no weight."""

    def build(self, backends: Any) -> None:
        self.publish({backends[0]: 1, backends[2]: 1})
        self.publish.keys({"127.0.0.2": backends[1], "127.0.0.3": backends[2].id})


class Names(Weights):
    """A map of twelve names, in turn."""

    def build(self, backends: Any) -> None:
        self.publish.keys({f"n{number}.example": backends[number % 3].address for number in range(12)})


class WrongKeys(Weights):
    """Names, where addresses are keys."""

    def build(self, backends: Any) -> None:
        self.publish.keys({"a.example": backends[0]})


class OwnRing:
    """A ring on which the backend with this number has every key, published by the first process that there is."""

    publish: Any

    def __init__(self, number: int = 1, form: str = "ring") -> None:
        self.number = number
        self.form = form

    def build(self, backends: Any) -> None:
        if NOTES in os.environ and Path(os.environ[NOTES]).exists():
            return
        if NOTES in os.environ:
            Path(os.environ[NOTES]).touch()
        mine = backends[self.number]
        if self.form == "ring":
            self.publish.ring([(1000, mine), (2**31, mine)])
        else:
            self.publish.maglev([mine] * 7)


class KeysOnce(OwnRing):
    """A map of one client, published by the first process that there is."""

    def build(self, backends: Any) -> None:
        if not Path(os.environ[NOTES]).exists():
            Path(os.environ[NOTES]).touch()
            self.publish.keys({"127.0.0.3": backends[2]})


class WeightsOnce:
    """A table that the last backend has alone, published by the first process that there is."""

    publish: Any

    def build(self, backends: Any) -> None:
        if not Path(os.environ[NOTES]).exists():
            Path(os.environ[NOTES]).touch()
            self.publish({backends[-1]: 3})


class WrongWeights(Weights):
    """What cannot be published raises where it is wrong."""

    def build(self, backends: Any) -> None:
        self.publish({backends[0]: 0})


class ByHello:
    """The first backend for `h2`, the second for a server name alone, the third for all else."""

    def build(self, backends: Any) -> None:
        self.backends = backends

    def choose(self, context: Context, attempt: int) -> Any:
        if "h2" in context.alpn and context.server_name:
            return self.backends[0]
        if context.server_name and context.first_bytes.startswith(b"\x16\x03"):
            return self.backends[1]
        return self.backends[2]


class PortKey:
    """The client's port, as text."""

    def key(self, context: Context) -> Any:
        return str(context.source_port)


class PortKeySoon(PortKey):
    """The same, after a moment."""

    async def key(self, context: Context) -> Any:
        await asyncio.sleep(0.001)
        return PortKey.key(self, context)


class PortKeyNumber(PortKey):
    """The same, as a number."""

    def key(self, context: Context) -> Any:
        return context.source_port


class FirstKey:
    """The first five bytes."""

    def key(self, context: Context) -> Any:
        return context.first_bytes[:5]


class RaisingKey:
    def key(self, context: Context) -> Any:
        raise LookupError("no key at home")


class NoKey:
    def key(self, context: Context) -> Any:
        return None


class EmptyKey:
    def key(self, context: Context) -> Any:
        return b""


class WrongKey:
    def key(self, context: Context) -> Any:
        return 1.5


class LateKey:
    async def key(self, context: Context) -> Any:
        await asyncio.sleep(10)


class DyingKey:
    def key(self, context: Context) -> Any:
        os._exit(3)


class NumberKey:
    """One of eight numbers, by the client's port, which the kernel may choose even throughout."""

    def key(self, context: Context) -> Any:
        return context.source_port // 2 % 8
