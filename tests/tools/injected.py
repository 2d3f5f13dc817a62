"""System calls of a running program that fail as told, by strace."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

from tests.tools.servers import need
from tests.tools.waiting import wait_until

END_S = 20.0


@contextlib.contextmanager
def failing(pid: int, call: str, error: str, when: str) -> Iterator[None]:
    """To the end of the block these calls fail. when: as strace has it, `2` for the second, `1..2` for the first two.

    Errors: AssertionError with strace's words when it may not.
    """
    inject = f"inject={call}:error={error}:when={when}"
    command = [need("strace"), "-f", "-e", f"trace={call}", "-e", "signal=none", "-e", inject,
               "-o", "/dev/null", "-p", str(pid)]  # fmt: skip
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    try:
        said = child.stderr.readline()
        assert "attached" in said, f"strace cannot attach: {said}it needs root or CAP_SYS_PTRACE"
        yield
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=END_S)


@contextlib.contextmanager
def held(pid: int) -> Iterator[None]:
    """The program does nothing during the block, so that what is sent to it waits and is found together.

    A worker that is held for a second is taken for dead.
    """
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: state_of(pid) in "Tt", "it is stopped")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def state_of(pid: int) -> str:
    """One letter, as in proc(5)."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]
