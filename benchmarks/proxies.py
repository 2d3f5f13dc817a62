"""The proxies that are compared: small classes that fill in a committed template."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.borrow import BorrowError, defer_accept
from benchmarks.proxy import ALL_CORES, Proxy, ProxyError, unprivileged_user

NGINX_STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
DEFER_S = 1  # as HAProxy has it


class Haproxy(Proxy):
    """HAProxy with its default copying."""

    name = "haproxy"
    program = "haproxy"
    template = "haproxy.cfg"
    options: tuple[str, ...] = ()

    def values(self) -> dict[str, object]:
        deferred = " defer-accept" if self.shape.has_same_options else ""
        smart = ("option tcp-smart-accept", "option tcp-smart-connect") if self.shape.has_same_options else ()
        binds = [f"    bind {host}:{self.port} backlog 4096{deferred}" for host in self.shape.hosts]
        servers = [f"    server b{number} {address}" for number, address in enumerate(self.backends)]
        return super().values() | {
            "options": "\n".join(f"    {option}" for option in (*smart, *self.options)),
            "binds": "\n".join(binds),
            "backends": "\n".join(servers),
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
    options = ("option splice-auto",)


class HaproxySplice(Haproxy):
    """HAProxy told to splice always, both ways."""

    name = "haproxy splice"
    options = ("option splice-request", "option splice-response")


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
        binds = [f"        listen {host}:{self.port} reuseport backlog=4096;" for host in self.shape.hosts]
        return super().values() | {
            "binds": "\n".join(binds),
            "backends": "\n".join(f"        server {address};" for address in self.backends),
            "module": NGINX_STREAM_MODULE,
            "user": unprivileged_user(),
            "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "half_close": self.half_close,
        }

    def await_port(self) -> None:
        """Its stream module has no word for defer-accept, so its sockets get it from outside."""
        super().await_port()
        if not self.shape.has_same_options:
            return
        try:
            count = defer_accept(self.pids()[0], self.port, DEFER_S)
        except (BorrowError, OSError) as error:
            raise ProxyError(f"{self.label}: {error} (or give --options own)") from None
        if count < self.shape.listeners:
            raise ProxyError(f"{self.label}: {count} of {self.shape.listeners} listening sockets found")

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
    """This project, copying or splicing as it thinks fit, and waiting without polling."""

    name = "nginy"
    program = sys.executable
    template = "nginy.yaml"
    half_close = "on"
    splice = "auto"
    spin = "off"
    event_log = ""
    policy = ""
    """How it chooses a backend; empty for its default."""

    def values(self) -> dict[str, object]:
        listener = {"protocol": "tcp", "pool": "back", "half_close": self.half_close, "splice": self.splice}
        pool = {"policy": self.policy}
        if self.shape.has_same_options:
            listener["tcp"] = f"{{defer_accept: {DEFER_S}s, quickack: off}}"
            pool["tcp"] = "{quickack: off}"
        lines = []
        for number, host in enumerate(self.shape.hosts):
            keys = {"bind": f'"{host}:{self.port}"'} | listener
            lines.append(f"  front{number}: {{{', '.join(key_lines(keys))}}}")
        return super().values() | {
            "backends": ", ".join(f'"{address}"' for address in self.backends),
            "listeners": "\n".join(lines),
            "pool_keys": "\n".join(f"    {line}" for line in key_lines(pool)),
            "runtime_keys": "\n".join(f"  {line}" for line in key_lines(self.runtime_keys())),
        }

    def runtime_keys(self) -> dict[str, str]:
        """Of `runtime`, besides those that the template has."""
        return {"spin": self.spin, "log": self.event_log}

    def command(self, config: Path) -> list[str]:
        return [self.program, "-m", "nginy", "run", str(config)]

    def refusal(self) -> str:
        command = [self.program, "-m", "nginy", "check", str(self.write_config())]
        checked = subprocess.run(command, capture_output=True, text=True)
        return checked.stderr.strip() if checked.returncode else ""

    def status(self) -> dict[str, Any]:
        """What `nginy status` says, as JSON."""
        command = [self.program, "-m", "nginy", "status", "--socket", str(self.folder / "nginy.sock")]
        said = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, check=True)
        tree: dict[str, Any] = json.loads(said.stdout)
        return tree

    @classmethod
    def version(cls) -> str:
        command = [cls.program, "-m", "nginy", "version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


class NginyNoHalfClose(Nginy):
    """This project with `half_close: off`."""

    name = "nginy half_close off"
    half_close = "off"


class NginyNoSplice(Nginy):
    """This project copying every byte."""

    name = "nginy splice off"
    splice = "off"


class NginySpin(Nginy):
    """This project polling again for a while before it sleeps.

    It does so only where control has a core besides the workers'; so the worker is pinned by nginy itself, and control
    by nobody. The CPU time of both counts.
    """

    name = "nginy spin on"
    spin = "on"

    def cores(self) -> str:
        return ALL_CORES

    def runtime_keys(self) -> dict[str, str]:
        return super().runtime_keys() | {"affinity": f"[{self.core}]"}

    def await_port(self) -> None:
        super().await_port()
        if "spin off" in self.said():
            raise ProxyError(f"{self.label} does not spin here: {self.said()}")


class NginyTalking(Nginy):
    """This project telling when it starts a worker and when that worker is ready."""

    name = "nginy debug log"
    event_log = "{level: debug, format: json}"


ALL: tuple[type[Proxy], ...] = (
    Haproxy,
    HaproxySpliceAuto,
    HaproxySplice,
    Nginx,
    NginxNoHalfClose,
    Nginy,
    NginyNoHalfClose,
    NginyNoSplice,
    NginySpin,
)
PLAIN: tuple[type[Proxy], ...] = (Haproxy, Nginx, Nginy)


def key_lines(keys: dict[str, str]) -> list[str]:
    """`key: value` for those that have one."""
    return [f"{key}: {value}" for key, value in keys.items() if value]


def kind_named(name: str) -> type[Proxy]:
    """The class of a proxy. Raises KeyError."""
    return {kind.name: kind for kind in ALL}[name]
