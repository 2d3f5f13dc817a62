"""A real `nginy run` for a test: started from a configuration, watched through its control socket, and
always stopped."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.tools.proc import is_alive
from tests.tools.sockets import connect, free_port, read_to_end
from tests.tools.waiting import wait_until

ROOT = Path(__file__).parents[2]
START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 20.0
PYTHON_PATH = os.pathsep.join([str(ROOT), sysconfig.get_paths()["platlib"]])
RUN_MARK = "TEST_RUN_FOLDER"

Tree = dict[str, Any]


class Nginy:
    """One `nginy run`.

    The configuration is a tree; `admin.socket` is put into the test's own folder unless given.
    """

    def __init__(
        self,
        config: Tree | str,
        *,
        before: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        owner: int = -1,
        python: str = sys.executable,
    ) -> None:
        """before: a command that starts another one, such as `prlimit --nofile=64`.

        owner: uid that the folder belongs to.   python: another interpreter of the same version.
        """
        self.python = python
        self.folder = Path(tempfile.mkdtemp(prefix="ngt-"))
        self.folder.chmod(0o755)
        self.config_path = self.folder / "nginy.yaml"
        self.log_path = self.folder / "log"
        self.control_path = self.folder / "c.sock"
        self.before = list(before)
        self.env = dict(env or {})
        self.child: subprocess.Popen[bytes] | None = None
        self.notices: list[str] = []
        self.is_same_at_end = True
        self._http_bind = f"127.0.0.1:{free_port()}"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self.folder / "n.sock"))
        os.chmod(self.folder / "n.sock", 0o777)
        self._notify.setblocking(False)
        self.write(config)
        if owner >= 0:
            os.chown(self.folder, owner, owner)

    # configuration

    def write(self, config: Tree | str) -> None:
        """Put another configuration into the file; reload() is the caller's."""
        if isinstance(config, dict):
            admin = {"socket": f"unix:{self.control_path}"} | config.get("admin", {})
            if admin.get("http", {}).get("bind", "").endswith(":0"):  # the same one after each reload
                admin["http"] = admin["http"] | {"bind": self._http_bind}
            config = json.dumps({"version": 1} | config | {"admin": admin}, indent=1)
        partial = self.config_path.with_suffix(".new")
        partial.write_text(config)
        partial.replace(self.config_path)

    # life

    def start(self, *, pass_fds: Sequence[int] = (), wait: bool = True) -> Self:
        """Start it; with `wait`, return when it is ready.

        AssertionError with its log when it ends instead.
        """
        environment = {key: value for key, value in os.environ.items() if not key.startswith("NGINY_")}
        environment |= {"NOTIFY_SOCKET": str(self.folder / "n.sock"), "PYTHONPATH": PYTHON_PATH}
        environment |= {RUN_MARK: str(self.folder), **self.env}
        command = [*self.before, self.python, "-m", "nginy", "run", str(self.config_path)]
        self.notices.clear()
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                pass_fds=pass_fds, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Return after READY=1 came."""

        def is_ready() -> bool:
            assert self.running.poll() is None, f"it ended with {self.running.returncode}:\n{self.log()}"
            return "READY=1" in self.read_notices() and self.answers()

        wait_until(is_ready, f"READY=1; log:\n{self.log()}", START_DEADLINE_S)

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The started program."""
        assert self.child is not None, "not started"
        return self.child

    @property
    def pid(self) -> int:
        """Of control."""
        return self.running.pid

    def wait_exit(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Its exit code, once it has ended by itself."""
        try:
            return self.running.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline_s:g} s; log:\n{self.log()}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to control."""
        self.running.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        self.send(number)
        return self.wait_exit()

    def clean_up(self) -> None:
        """End whatever is left, by pid, and remove the folder. For fixtures."""
        pids = self.pids_left()
        if self.child is not None and self.child.poll() is None:
            pids.append(self.child.pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.child is not None:
            self.child.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in pids), "killed ones are gone")
        self._notify.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids_left(self) -> list[int]:
        """Everything that this test started and that is alive, control excepted: found by the environment."""
        own = {self.child.pid} if self.child else set()
        return [pid for pid in pids_with_environment(f"{RUN_MARK}={self.folder}".encode()) if pid not in own]

    # seeing

    def log(self) -> str:
        """All that it has said."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def read_notices(self) -> list[str]:
        """All sd_notify assignments so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.notices += self._notify.recv(4096).decode().splitlines()
        return self.notices

    def ask(self, cmd: str, **arguments: object) -> Tree:
        """One request on the control socket and its whole answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(30)
            sock.connect(str(self.control_path))
            sock.sendall(json.dumps({"cmd": cmd, **arguments}).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                part = sock.recv(65536)
                if not part:
                    break
                answer += part
        return json.loads(answer)

    def answers(self) -> bool:
        """Whether the control socket is served."""
        try:
            return bool(self.ask("ping")["ok"])
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def status(self) -> Tree:
        """The whole picture."""
        answer = self.ask("status")
        assert answer["ok"], answer
        return answer["result"]

    def reload(self, config: Tree | str | None = None) -> Tree:
        """Apply what the file (or this tree) says; AssertionError when it is refused."""
        if config is not None:
            self.write(config)
        answer = self.ask("reload")
        assert answer["ok"], f"{answer}\n{self.log()}"
        return answer["result"]

    def listener(self, name: str) -> Tree:
        """One listener of the picture."""
        return next(row for row in self.status()["listeners"] if row["name"] == name)

    def backends(self, pool: str) -> list[Tree]:
        """The backends of one pool, in the picture's order."""
        return next(row for row in self.status()["pools"] if row["name"] == pool)["backends"]

    def address(self, listener: str = "front", nth: int = 0) -> str:
        """Where a listener is really bound; a wildcard stands as loopback."""
        bound = self.listener(listener)["addresses"][nth]
        return re.sub(r"^0\.0\.0\.0:", "127.0.0.1:", bound).replace("[::]:", "[::1]:")

    def workers(self) -> list[Tree]:
        """The workers of the picture."""
        return self.status()["workers"]

    def worker_pids(self) -> list[int]:
        """Pids of living workers."""
        return [row["pid"] for row in self.workers() if row["pid"]]

    def http_address(self) -> str:
        """Where admin.http is bound; the configuration has to ask for it."""
        return self._http_bind

    def metric(self, name: str) -> float:
        """The sum of all samples of one metric."""
        text = http_get(self.http_address(), "/metrics")[1]
        lines = [line for line in text.splitlines() if re.match(rf"{name}[{{ ]", line)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def reasons(self, listener: str = "front") -> Tree:
        """End reasons of a listener, by name, without the zeros."""
        return self.listener(listener)["ends"]


def http_get(address: str, path: str) -> tuple[int, str]:
    """Status code and body of one plain GET."""
    with connect(address) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = read_to_end(sock)[0].partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def pids_with_environment(assignment: bytes) -> Iterator[int]:
    """Living programs that were started with this variable."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if assignment in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)
