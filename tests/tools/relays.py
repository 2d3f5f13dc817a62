"""A relay between a UDP client and a listener, which may change its own address: what a NAT does at a rebinding."""

import contextlib
import select
import socket
import threading
from typing import Any, Self

from tests.tools.datagrams import address_of, client_of, datagram_socket


class Rebinding:
    """Carries the datagrams of one client to `target` and the answers back, from a thread of its own."""

    def __init__(self, target: str, source: str = "127.0.0.1") -> None:
        self.target = target
        self._front = datagram_socket()
        self._back = client_of(target, source)
        self._client: Any = None
        self._ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where its client sends to, on 127.0.0.1."""
        return int(self._front.getsockname()[1])

    @property
    def seen_as(self) -> str:
        """The address that `target` sees."""
        return address_of(self._back)

    def move(self, source: str = "127.0.0.1") -> None:
        """From now on another port, and this address. Answers that are under way to the old one are lost."""
        old, self._back = self._back, client_of(self.target, source)
        self._ours.send(b"m")
        assert self._ours.recv(1) == b"m"  # the thread has let go of it
        old.close()

    def close(self) -> None:
        """Idempotent."""
        self._ours.close()
        self._thread.join()
        for sock in (self._theirs, self._front, self._back):
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _run(self) -> None:
        while True:
            back = self._back
            ready = select.select([self._theirs, self._front, back], [], [])[0]
            if self._theirs in ready:
                order = self._theirs.recv(1)
                if not order:
                    return
                self._theirs.send(order)
                continue
            with contextlib.suppress(ConnectionError):
                self._carry(ready, back)

    def _carry(self, ready: list[Any], back: socket.socket) -> None:
        if self._front in ready:
            payload, self._client = self._front.recvfrom(65535)
            back.send(payload)
        if back in ready:
            self._front.sendto(back.recv(65535), self._client)
