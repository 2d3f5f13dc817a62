"""Real servers for tests: started on kernel's ports as users without rights, ended at the end."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.programs import find
from tests.tools.sockets import connect, free_port, free_port_of_both
from tests.tools.waiting import wait_until

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 20.0


def need(program: str) -> str:
    """Its path. A missing program skips the test on a developer's machine and fails it under CI."""
    found = find(program)
    if found is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"{program} is not installed")
    assert found is not None
    return found


def as_user(name: str) -> list[str]:
    """The beginning of a command that runs as this user when we are root; PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return []
    account = pwd.getpwnam(name)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def run(command: Sequence[str], timeout_s: float = 100.0, **environment: str) -> str:
    """Its output; AssertionError with all it said when it fails."""
    done = subprocess.run(
        command,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def folder_of(user: str) -> Iterator[Path]:
    """A folder that belongs to the user, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ngs-"))
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, log: Path, end: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in the foreground, from the moment its TCP port answers."""
    with open(log, "wb") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent)
    try:

        def answers() -> bool:
            assert child.poll() is None, log.read_text(errors="replace")
            with contextlib.suppress(OSError):
                connect(f"127.0.0.1:{port}", timeout_s=1).close()
                return True
            return False

        wait_until(answers, f"{command[0]} answers", START_DEADLINE_S)
        yield child
    finally:
        child.send_signal(end)
        try:
            child.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A fresh cluster that trusts loopback, without durability. Yields its address."""
    need("psql")
    initdb, server = need("initdb"), need("postgres")
    user, port = "postgres", free_port()
    with folder_of(user) as folder:
        cluster = str(folder / "c")
        make = [*as_user(user), initdb, "-D", cluster, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"]
        run(make, LC_ALL="C")
        settings = [f"port={port}", f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1",
                    "fsync=off", "max_connections=200"]  # fmt: skip
        command = [*as_user(user), server, "-D", cluster]
        for setting in settings:
            command += ["-c", setting]
        with running(command, port, folder / "log", end=signal.SIGINT):
            yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """An empty one without persistence. Yields its address."""
    server, port = need("redis-server"), free_port()
    with folder_of("nobody") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with running([*as_user("nobody"), server, *options], port, folder / "log"):
            yield f"127.0.0.1:{port}"


HTTP_CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5; client_max_body_size 1g;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root {folder}/www;
        location = /name {{ return 200 "{name}\\n"; }}
    }}
}}
"""


@contextlib.contextmanager
def http(name: str, files: dict[str, bytes] | None = None) -> Iterator[str]:
    """nginx with static files; /name answers its name. Yields its address."""
    server, port = need("nginx"), free_port()
    with folder_of("nobody") as folder:
        folder.chmod(0o755)
        (folder / "www").mkdir()
        for path, content in (files or {}).items():
            (folder / "www" / path).write_bytes(content)
        config = folder / "nginx.conf"
        config.write_text(HTTP_CONFIG.format(folder=folder, port=port, name=name))
        command = [*as_user("nobody"), server, "-p", str(folder), "-c", str(config)]
        with running(command, port, folder / "log", end=signal.SIGQUIT):
            yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def iperf3() -> Iterator[str]:
    """An iperf3 server: TCP, and UDP on the same port. Yields its address."""
    server, port = need("iperf3"), free_port_of_both()
    with folder_of("nobody") as folder:
        command = [*as_user("nobody"), server, "-s", "-B", "127.0.0.1", "-p", str(port), "--forceflush"]
        with running(command, port, folder / "log"):
            yield f"127.0.0.1:{port}"


@dataclass(frozen=True)
class NameServer:
    """One of dns(). address: of UDP and TCP.   child: the server itself, for signals."""

    address: str
    child: subprocess.Popen[bytes]


@contextlib.contextmanager
def dns(name: str) -> Iterator[NameServer]:
    """dnsmasq with the zone `test`: TXT of who.test is its name, TXT of long.test needs TCP, n1.test has an address."""
    server, port = need("dnsmasq"), free_port_of_both()
    options = ["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=", "--log-facility=-",
               "--no-resolv", "--no-hosts", "--no-poll", "--cache-size=0", "--local=/test/",
               f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces",
               f"--txt-record=who.test,{name}", "--host-record=n1.test,192.0.2.1"]  # fmt: skip
    options += [f"--txt-record=long.test,{name} {number} {'x' * 200}" for number in range(10)]
    with folder_of("nobody") as folder:
        with running([*as_user("nobody"), server, *options], port, folder / "log") as child:
            yield NameServer(f"127.0.0.1:{port}", child)
