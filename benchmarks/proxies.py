"""The proxies under test: each writes its configuration from a committed template and runs pinned to one
core."""

import grp
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from string import Template
from typing import IO

from benchmarks.cpu import pid_tree

CONFIGS = Path(__file__).with_name("configs")
NGINX_STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
START_DEADLINE_S = 15.0
STOP_DEADLINE_S = 10.0


class ProxyError(Exception):
    """A proxy did not start, or it ended by itself."""


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
    """One proxy process. Use as a context manager: it is stopped at the end."""

    name = ""
    program = ""
    template = ""

    def __init__(self, folder: Path, backend_ports: list[int], core: int) -> None:
        self.folder = folder / self.name.replace(" ", "-")
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.backend_ports = backend_ports
        self.core = core
        self.port = free_port()
        self.child: subprocess.Popen[bytes] | None = None
        self.log: IO[bytes] | None = None

    @classmethod
    def is_installed(cls) -> bool:
        """Whether the program can be started here."""
        return shutil.which(cls.program) is not None

    def values(self) -> dict[str, object]:
        """What the template's names stand for."""
        return {"port": self.port, "folder": self.folder}

    def command(self, config: Path) -> list[str]:
        """The command line that stays in the foreground."""
        raise NotImplementedError

    @classmethod
    def version(cls) -> str:
        """One line for the report."""
        raise NotImplementedError

    def pids(self) -> list[int]:
        """Every process of this proxy."""
        if self.child is None or self.child.poll() is not None:
            raise ProxyError(f"{self.name} is not running: {self.said()}")
        return pid_tree(self.child.pid)

    def said(self) -> str:
        """The end of what it printed."""
        return (self.folder / "output").read_text(errors="replace")[-2000:]

    def __enter__(self) -> "Proxy":
        config = self.folder / Path(self.template).name
        config.write_text(Template((CONFIGS / self.template).read_text()).substitute(self.values()))
        self.log = open(self.folder / "output", "wb")
        command = ["taskset", "-c", str(self.core), *self.command(config)]
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.await_port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def await_port(self) -> None:
        """Return when the port answers."""
        deadline_s = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline_s:
            self.pids()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise ProxyError(f"{self.name} does not answer on its port: {self.said()}")

    def __exit__(self, *_exc: object) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
            try:
                self.child.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if self.log is not None:
            self.log.close()


class Haproxy(Proxy):
    """HAProxy with its default copying."""

    name = "haproxy"
    program = "haproxy"
    template = "haproxy.cfg"
    extra = ""
    bind_extra = ""

    def values(self) -> dict[str, object]:
        lines = [f"    server b{i} 127.0.0.1:{port}" for i, port in enumerate(self.backend_ports)]
        return super().values() | {
            "backends": "\n".join(lines),
            "extra": self.extra,
            "bind_extra": self.bind_extra,
        }

    def command(self, config: Path) -> list[str]:
        return [self.program, "-db", "-f", str(config)]

    @classmethod
    def version(cls) -> str:
        said = subprocess.run([cls.program, "-v"], capture_output=True, text=True, check=True).stdout
        return said.splitlines()[0].partition(" - ")[0]


class HaproxySpliceAuto(Haproxy):
    """HAProxy with splice where it thinks fit; Debian's 2.6 was never seen to think so here."""

    name = "haproxy splice-auto"
    extra = "option splice-auto"


class HaproxySplice(Haproxy):
    """HAProxy told to splice always, both ways."""

    name = "haproxy splice"
    extra = "option splice-request\n    option splice-response"


class Nginx(Proxy):
    """nginx' stream module, half-close kept."""

    name = "nginx"
    program = "nginx"
    template = "nginx.conf"
    half_close = "on"

    @classmethod
    def is_installed(cls) -> bool:
        return super().is_installed() and Path(NGINX_STREAM_MODULE).exists()

    def values(self) -> dict[str, object]:
        lines = [f"        server 127.0.0.1:{port};" for port in self.backend_ports]
        return super().values() | {
            "backends": "\n".join(lines),
            "module": NGINX_STREAM_MODULE,
            "user": unprivileged_user(),
            "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "half_close": self.half_close,
        }

    def command(self, config: Path) -> list[str]:
        return [self.program, "-p", str(self.folder), "-c", str(config)]

    @classmethod
    def version(cls) -> str:
        said = subprocess.run([cls.program, "-v"], capture_output=True, text=True, check=True).stderr
        return said.strip().partition(": ")[2].replace("/", " ")


class NginxNoHalfClose(Nginx):
    """nginx' stream module as it is without the option."""

    name = "nginx half_close off"
    half_close = "off"


class Nginy(Proxy):
    """This project."""

    name = "nginy"
    program = sys.executable
    template = "nginy.yaml"
    half_close = "on"

    def __init__(self, folder: Path, backend_ports: list[int], core: int) -> None:
        super().__init__(folder, backend_ports, core)
        self.metrics_port = free_port()

    def values(self) -> dict[str, object]:
        return super().values() | {
            "backends": ", ".join(f'"127.0.0.1:{port}"' for port in self.backend_ports),
            "half_close": self.half_close,
            "metrics_port": self.metrics_port,
        }

    def command(self, config: Path) -> list[str]:
        return [self.program, "-m", "nginy", "run", str(config)]

    @classmethod
    def version(cls) -> str:
        command = [cls.program, "-m", "nginy", "version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


class NginyNoHalfClose(Nginy):
    """This project with `half_close: off`."""

    name = "nginy half_close off"
    half_close = "off"


ALL: tuple[type[Proxy], ...] = (
    Haproxy,
    HaproxySpliceAuto,
    HaproxySplice,
    Nginx,
    NginxNoHalfClose,
    Nginy,
    NginyNoHalfClose,
)
