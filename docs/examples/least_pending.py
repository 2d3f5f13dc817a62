"""Least pending work: backends say how much waits in them, and a task in the background keeps asking.

A backend answers each connection to the port above its own with a number and a newline. `choose` only looks at what the
task has learnt, so it never waits for anybody.
"""

import asyncio

EVERY_S = 0.05
TIMEOUT_S = 0.5
UNKNOWN = 1_000_000  # nobody is sent where nobody knows, unless all are unknown


class LeastPending:
    """The backend with the least work waiting; of equals the one with fewer sessions."""

    def __init__(self):
        self.pending = {}
        self.backends = ()
        self.task = None

    def build(self, backends):
        self.backends = backends
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self.learn())

    async def learn(self):
        while True:
            await asyncio.gather(*(self.ask(backend) for backend in self.backends))
            await asyncio.sleep(EVERY_S)

    async def ask(self, backend):
        host, _, port = backend.address.rpartition(":")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port) + 1)
                self.pending[backend.id] = int(await reader.readline())
                writer.close()
        except (OSError, ValueError):  # TimeoutError is an OSError
            self.pending[backend.id] = UNKNOWN

    def choose(self, context, attempt):
        usable = [backend for backend in self.backends if backend.is_usable]
        return min(usable, key=self.load, default=None)

    def load(self, backend):
        return self.pending.get(backend.id, UNKNOWN), backend.in_flight
