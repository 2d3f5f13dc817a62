"""A proxy under test: how big it is configured, and its process from the start to the end."""

import grp
import ipaddress
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Self

from benchmarks.cpu import pid_tree

CONFIGS = Path(__file__).with_name("configs")
FIRST_HOST = ipaddress.IPv4Address("127.0.0.1")
ALL_CORES = f"0-{(os.cpu_count() or 1) - 1}"
START_DEADLINE_S = 15.0
STOP_DEADLINE_S = 10.0


class ProxyError(Exception):
    """A proxy did not start, or it ended by itself."""


@dataclass(frozen=True)
class Shape:
    """How a proxy is configured.

    has_same_options: the socket options that all three have; otherwise each proxy's own defaults.
    """

    backends: int = 3
    listeners: int = 1
    workers: int = 1
    has_same_options: bool = True

    @property
    def hosts(self) -> list[str]:
        """Where the listeners are: one port, on as many addresses."""
        return [str(FIRST_HOST + number) for number in range(self.listeners)]


def free_port() -> int:
    """A port of the kernel's choice that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unprivileged_user() -> str:
    """User and group for the `user` line of a program that gives up root."""
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return f"{account.pw_name} {grp.getgrgid(account.pw_gid).gr_name}"


class Proxy:
    """One proxy process. Use as a context manager: it is stopped at the end.

    name: of the class.   label: of this one in tables; the name unless told.
    """

    name = ""
    program = ""
    template = ""

    def __init__(self, folder: Path, shape: Shape, ports: list[int], core: int | None, label: str = "") -> None:
        """ports: of the load's backends.   core: None allows all of them."""
        self.label = label or self.name
        self.shape = shape
        self.folder = folder / self.label.replace(" ", "-").replace(",", "")
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.backends = backend_addresses(ports, shape.backends)
        self.core = core
        self.port = free_port()
        self.metrics_port = free_port()
        self.child: subprocess.Popen[bytes] | None = None

    @classmethod
    def is_installed(cls) -> bool:
        """Whether the program can be started here."""
        return shutil.which(cls.program) is not None

    def values(self) -> dict[str, object]:
        """What the template's names stand for."""
        return {"folder": self.folder, "metrics_port": self.metrics_port, "workers": self.shape.workers}

    def command(self, config: Path) -> list[str]:
        """The command line that stays in the foreground."""
        raise NotImplementedError

    @classmethod
    def version(cls) -> str:
        """One line for the report."""
        raise NotImplementedError

    def cores(self) -> str:
        """Where its processes may run, as taskset takes it."""
        return ALL_CORES if self.core is None else str(self.core)

    def refusal(self) -> str:
        """What the program has against its configuration before it is started; empty: nothing."""
        return ""

    def pids(self) -> list[int]:
        """Every process of this proxy. Raises ProxyError when it has ended."""
        if self.child is None or self.child.poll() is not None:
            raise ProxyError(f"{self.label} is not running: {self.said()}")
        return pid_tree(self.child.pid)

    def said(self) -> str:
        """The end of what it printed."""
        return (self.folder / "output").read_text(errors="replace")[-2000:]

    def write_config(self) -> Path:
        """Fill the template in."""
        config = self.folder / Path(self.template).name
        config.write_text(Template((CONFIGS / self.template).read_text()).substitute(self.values()))
        return config

    def spawn(self) -> None:
        """Start the process and return at once."""
        command = ["taskset", "-c", self.cores(), *self.command(self.write_config())]
        with open(self.folder / "output", "wb") as output:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def await_port(self) -> None:
        """Return when the port answers."""
        deadline_s = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline_s:
            self.pids()
            try:
                socket.create_connection((self.shape.hosts[-1], self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise ProxyError(f"{self.label} does not answer on its port: {self.said()}")

    def stop(self) -> None:
        """End the process and wait for it. Idempotent."""
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
            try:
                self.child.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def __enter__(self) -> Self:
        self.spawn()
        try:
            self.await_port()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()


def backend_addresses(ports: list[int], count: int) -> list[str]:
    """So many different addresses of few backends: every port at 127.0.0.1, then at the next host, and so on."""
    return [f"{FIRST_HOST + number // len(ports)}:{ports[number % len(ports)]}" for number in range(count)]
