"""The proxies that are compared over UDP: what they are told, and how they are found to be there."""

import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from benchmarks.borrow import BorrowError, bound_inodes, holds, receive_buffer
from benchmarks.proxies import Nginx, Nginy
from benchmarks.proxy import START_DEADLINE_S, Proxy, ProxyError, Shape

RECEIVE_BUFFER_BYTES = 4 * 2**20
FLOWS_MAX = 65536
LOOK_S = 0.02


def free_udp_port() -> int:
    """A UDP port of the kernel's choice that nobody is bound to right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class UdpProxy(Proxy):
    """A proxy whose port is a UDP one: no connection can be tried, so its socket is looked for.

    All get the same receive buffer where clients send to, if need be from outside.
    """

    def __init__(self, folder: Path, shape: Shape, ports: list[int], core: int | None, label: str = "") -> None:
        super().__init__(folder, shape, ports, core, label)
        self.port = free_udp_port()

    def await_port(self) -> None:
        deadline_s = time.monotonic() + START_DEADLINE_S
        while not any(holds(pid, bound_inodes(self.port)) for pid in self.pids()):
            if time.monotonic() > deadline_s:
                raise ProxyError(f"{self.label} does not bind its port: {self.said()}")
            time.sleep(LOOK_S)
        self.enlarge()

    def enlarge(self) -> None:
        """Give its socket the receive buffer that all have. Raises ProxyError."""
        try:
            count = receive_buffer(self.pids()[0], self.port, RECEIVE_BUFFER_BYTES)
        except (BorrowError, OSError) as error:
            raise ProxyError(f"{self.label}: {error}") from None
        if not count:
            raise ProxyError(f"{self.label}: its socket was not found")


class NginxUdp(UdpProxy, Nginx):
    """nginx' stream module; a session ends when it was idle for 30 s."""

    template = "nginx-udp.conf"
    session: tuple[str, ...] = ()

    def values(self) -> dict[str, object]:
        session = "\n".join(f"        {line};" for line in self.session)
        return super().values() | {"port": self.port, "session": session}


class NginxDns(NginxUdp):
    """nginx' stream module, a session for each request, which ends with its answer."""

    name = "nginx dns"
    session = ("proxy_requests 1", "proxy_responses 1")


class NginyUdp(UdpProxy, Nginy):
    """This project; a flow ends when it was idle for 30 s."""

    template = "nginy-udp.yaml"
    session = f"key: tuple, idle: 30s, max: {FLOWS_MAX}"
    gro = "off"

    def values(self) -> dict[str, object]:
        udp = f"rcvbuf: {RECEIVE_BUFFER_BYTES // 2**20}M, gro: {self.gro}"
        return super().values() | {"port": self.port, "session": self.session, "udp": udp}

    def enlarge(self) -> None:
        """It has a word for that."""


class NginyGro(NginyUdp):
    """This project receiving runs in one."""

    name = "nginy gro on"
    gro = "on"


class NginyDns(NginyUdp):
    """This project, a flow for each request, upstream sockets used again."""

    name = "nginy dns"
    session = f"{NginyUdp.session}, requests: 1, responses: 1, check: dns, reuse: on"


class NginyDnsNoReuse(NginyUdp):
    """This project, a flow and an upstream socket for each request."""

    name = "nginy dns reuse off"
    session = f"{NginyUdp.session}, requests: 1, responses: 1, check: dns"


class Pen(UdpProxy):
    """pen's UDP mode, round robin, without a memory for clients.

    It has two descriptors for each flow and never ends one: told to end idle ones, it looks through its whole table at
    every datagram and is slower by far.
    """

    name = "pen"
    program = "pen"

    def write_config(self) -> Path:
        """It has none that it needs: the command says everything."""
        return self.folder / "none"

    def command(self, _config: Path) -> list[str]:
        return [self.program, "-U", "-f", "-r", "-x", str(FLOWS_MAX), f"127.0.0.1:{self.port}", *self.backends]

    @classmethod
    def version(cls) -> str:
        command = ["dpkg-query", "-W", "-f", "${Version}", cls.program]
        said = subprocess.run(command, capture_output=True, text=True)
        return f"{cls.program} {said.stdout.strip() or 'of unknown version'}"


class Direct(UdpProxy):
    """No proxy: clients send to the first backend."""

    name = "direct"

    @classmethod
    def is_installed(cls) -> bool:
        return True

    def __enter__(self) -> Self:
        self.port = int(self.backends[0].rpartition(":")[2])
        return self

    def pids(self) -> list[int]:
        return []


ALL: tuple[type[Proxy], ...] = (
    Direct,
    NginxUdp,
    NginxDns,
    Pen,
    NginyUdp,
    NginyGro,
    NginyDns,
    NginyDnsNoReuse,
)


def kind_named(name: str) -> type[Proxy]:
    """The class of a proxy. Raises KeyError."""
    return {kind.name: kind for kind in ALL}[name]
