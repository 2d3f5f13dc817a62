"""A real server program in a folder of its own, on a free loopback port, without rights, ended with its test."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.tools import programs
from tests.tools.sockets import free_port
from tests.tools.waiting import wait_until

ACCOUNT = "nobody"
ATTEMPTS = 5
STOP_S = 10.0
LISTEN = "0A"

Command = Callable[["Server"], Sequence[str | Path]]


def plain_environment(**more: str) -> dict[str, str]:
    """For servers and clients alike: what they print is English, and nothing of the caller's settings counts."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "REDIS", "LC_"))}
    return kept | {"LC_ALL": "C", **more}


def without_rights() -> list[str]:
    """A command that starts another as nobody when we are root; it ends with us in any case."""
    command = [programs.need("setpriv"), "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        command += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return [*command, "--"]


def is_listening(port: int) -> bool:
    """Whether anybody listens on this TCP port; nobody is disturbed by a connection."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == LISTEN and int(local.rpartition(":")[2], 16) == port:
                return True
    return False


class Server:
    """One server program. `command` is asked for the words once `port` and `folder` are known.

    The port is found free first, so another program may be quicker: then the next one is tried.
    """

    def __init__(self, command: Command, *, ports: int = 1) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ngr-"))
        self.log_path = self.folder / "log"
        self.ports: list[int] = []
        self.child: subprocess.Popen[bytes] | None = None
        self._command = command
        self._n_ports = ports
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(self.folder, account.pw_uid, account.pw_gid)

    @property
    def port(self) -> int:
        """The first one."""
        return self.ports[0]

    @property
    def address(self) -> str:
        """As it stands in a configuration."""
        return self.addresses[0]

    @property
    def addresses(self) -> list[str]:
        """One for each port."""
        return [f"127.0.0.1:{port}" for port in self.ports]

    def __enter__(self) -> Self:
        try:
            for _ in range(ATTEMPTS):
                self.ports = [free_port() for _ in range(self._n_ports)]
                if self.start():
                    return self
            raise AssertionError(f"it does not start; log:\n{self.log()}")
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def start(self) -> bool:
        """Start it on its ports; whether it listens on all of them."""
        words = [*without_rights(), *map(str, self._command(self))]
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env=plain_environment(HOME=str(self.folder)), start_new_session=True,
            )  # fmt: skip
        child = self.child
        wait_until(lambda: child.poll() is not None or all(map(is_listening, self.ports)), "the server listens")
        return child.poll() is None

    def run_inside(self, words: Sequence[str | Path]) -> None:
        """Run a program that prepares the folder, with the server's rights, to its end."""
        done = subprocess.run(
            [*without_rights(), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, check=False,
            cwd=self.folder, env=plain_environment(HOME=str(self.folder)), timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it; SIGINT lets each of our servers go without waiting for its clients."""
        if self.child is None:
            return
        if self.child.poll() is None:
            self.child.send_signal(number)
        try:
            self.child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child = None

    def close(self) -> None:
        """End it and remove its folder. Idempotent."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """All that it has said."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


def run_client(
    words: Sequence[str | Path],
    *,
    entered: bytes | None = None,
    code: int = 0,
    env: Mapping[str, str] | None = None,
    deadline_s: float = 30.0,
) -> str:
    """Run a client to its end and return what it said on stdout; AssertionError when its code is another one."""
    command = [programs.need(str(words[0])), *map(str, words[1:])]
    done = subprocess.run(
        command, input=entered if entered is not None else b"", capture_output=True, timeout=deadline_s,
        env=plain_environment(**(env or {})), check=False,
    )  # fmt: skip
    said, complaint = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{said[-4000:]}\n{complaint[-4000:]}"
    return said + complaint if code else said
