"""A worker that serves UDP, its backends and its clients: real sockets on loopback."""

import select
import socket
import threading
from types import TracebackType
from typing import Any, Self

from nginy._fast import door
from tests.unit.engine.worker import Driven
from tests.unit.policy.rows import backend, listener, pool, socket_row, udp

WAIT_S = 5.0


def datagram_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((host, port))
    sock.settimeout(WAIT_S)
    return sock


def is_silent(sock: socket.socket, seconds: float = 0.2) -> bool:
    """Whether nothing comes for so long."""
    return not select.select([sock], [], [], seconds)[0]


class Echo:
    """A backend that answers each datagram with its own name in front."""

    def __init__(self, name: bytes = b"", host: str = "127.0.0.1") -> None:
        self.name = name
        self.sock = datagram_socket(host)
        self.address = self.sock.getsockname()[:2]
        self.senders: list[Any] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            try:
                data, sender = self.sock.recvfrom(65535)
            except TimeoutError:
                continue
            except OSError:
                return
            if data == b"\0end":
                return
            self.senders.append(sender)
            self.sock.sendto(self.name + data, sender)

    def close(self) -> None:
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as last:
            last.sendto(b"\0end", self.address)
        self.thread.join(WAIT_S)
        self.sock.close()


class Balanced:
    """One worker, one UDP listener, these backends."""

    def __init__(
        self, addresses: list[Any], *, host: str = "127.0.0.1", policy: str = "round_robin", gro: bool = False,
        wildcard: bool = False, idle_ms: int = 60000, pool_row: dict[str, Any] | None = None,
        row: dict[str, Any] | None = None, flows_most: int = door.MAX_FLOWS, **settings: Any,
    ) -> None:  # fmt: skip
        self.driven = Driven(flows_max=flows_most)
        self.sock = datagram_socket("0.0.0.0" if wildcard else host)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, 40, 1)  # SO_RXQ_OVFL
        if gro:
            self.sock.setsockopt(socket.IPPROTO_UDP, 104, 1)
        if wildcard:
            self.sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        self.address = (host, self.sock.getsockname()[1])
        self.gen = 0
        self.settings = settings | dict(
            policy=policy, idle_ms=idle_ms, pool_row=pool_row or {}, row=row or {}, wildcard=wildcard
        )
        self.driven.give({0: self.sock})
        self.publish(addresses)

    def publish(self, addresses: list[Any], **changes: Any) -> int:
        """The next generation: backends are addresses, numbered in order. -> the errno that came with its adoption."""
        self.gen += 1
        settings = self.settings | changes
        rows = [backend(at, address=address) for at, address in enumerate(addresses) if address is not None]
        udp_row = udp(**{key: value for key, value in settings.items() if key not in _OURS})
        listeners = [listener(idle_ms=settings["idle_ms"], udp=udp_row, **settings["row"])]
        sockets = [socket_row(listener=settings["row"].get("id", 0), is_wildcard=settings["wildcard"])]
        pools = [pool(policy=settings["policy"], **settings["pool_row"])]
        self.driven.publish(door.pack_snapshot(self.gen, listeners, pools, rows, sockets))
        return self.driven.wait(door.MSG_ADOPTED)[1]

    def remove_listener(self) -> None:
        self.gen += 1
        self.driven.publish(door.pack_snapshot(self.gen, [], [], [], []))
        self.driven.wait(door.MSG_ADOPTED)

    def client(self, host: str = "127.0.0.1") -> socket.socket:
        sock = datagram_socket(host)
        sock.connect(self.address)
        return sock

    @property
    def counters(self) -> Any:
        return self.driven.board.udp(0)

    def drops(self) -> dict[str, int]:
        return {name: n for name, n in zip(door.DROPS, self.counters["drops"], strict=True) if n}

    def reasons(self) -> dict[str, int]:
        row = self.driven.board.listener(0)
        return {name: n for name, n in zip(door.REASONS, row["reasons"], strict=True) if n}

    def outcomes(self, at: int) -> dict[str, int]:
        row = self.driven.board.backend(at)
        return {name: n for name, n in zip(door.OUTCOMES, row["outcomes"], strict=True) if n}

    def live(self) -> int:
        return int(self.driven.board.listener(0)["live"])

    def close(self) -> None:
        self.driven.tell(door.MSG_STOP)
        self.driven.join()
        row = self.driven.board.worker(0)
        assert row["accepted"] == row["ended"] and row["live"] == 0 and row["leases"] == 0
        self.driven.close()
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


_OURS = {"policy", "idle_ms", "pool_row", "row", "wildcard"}


def addresses(echoes: list[Echo]) -> list[Any]:
    return [echo.address for echo in echoes]


def ask(client: socket.socket, data: bytes = b"hello") -> bytes:
    client.send(data)
    return client.recv(65535)
