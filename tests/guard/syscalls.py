"""System calls of one session: `python -m tests.guard.syscalls [--listener YAML] [--pool YAML] [--runtime YAML]`.

A real `nginy run` with one worker under strace, sessions one after the other; prints how many calls of each kind a
session takes, and one typical session in order. The YAML is laid over a plain configuration of one listener and one
pool: `--listener 'half_close: off'`.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.guard import strace
from tests.guard.exchange import listen, patient_session, prompt_session
from tests.tools.configs import tcp_config
from tests.tools.nginy_process import Nginy
from tests.tools.servers import need
from tests.tools.sockets import parse_address
from tests.tools.waiting import wait_until

SESSIONS = 60
STOP_DEADLINE_S = 20.0
PARTS = ("listener", "pool", "runtime")


@contextlib.contextmanager
def started(upstream: socket.socket, parts: Mapping[str, Mapping[str, Any]]) -> Iterator[Nginy]:
    """A running nginy with one worker in front of this backend."""
    host, port = upstream.getsockname()
    nginy = Nginy(tcp_config([f"{host}:{port}"], workers=1, **parts))
    try:
        yield nginy.start()
        assert nginy.stop() == 0, nginy.log()
    finally:
        nginy.clean_up()


@contextlib.contextmanager
def traced(pid: int, out: Path) -> Iterator[None]:
    """All system calls of a program into a file, from here to the end of the block.

    Errors: AssertionError with strace's words when it may not.
    """
    command = [need("strace"), "-f", "-s", "0", "-e", "signal=none", "-o", str(out), "-p", str(pid)]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    try:
        said = child.stderr.readline()
        assert "attached" in said, f"strace cannot attach: {said}it needs root or CAP_SYS_PTRACE"
        yield
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=STOP_DEADLINE_S)


def kinds_of(pid: int) -> dict[int, str]:
    """What a worker's descriptors are before its first session."""
    folder = Path(f"/proc/{pid}/fd")
    return strace.kinds_of({int(entry.name): os.readlink(entry) for entry in folder.iterdir()})


def record(
    n: int = SESSIONS, *, is_patient: bool = False, is_source_port: bool = False, **parts: Mapping[str, Any]
) -> list[strace.Session]:
    """The calls of n sessions, after one that is not in it. parts: as for tcp_config().

    is_patient: the client waits until it is through to the backend before it speaks.   is_source_port: see listen().
    Errors: AssertionError.
    """
    session = patient_session if is_patient else prompt_session
    with tempfile.TemporaryDirectory(prefix="ngg-") as folder, listen(is_source_port) as upstream:
        with started(upstream, parts) as nginy:
            _, front = parse_address(nginy.address())
            assert isinstance(front, tuple)
            (pid,) = nginy.worker_pids()

            def is_at_rest() -> bool:
                return not nginy.listener("front")["sessions_live"]

            def one() -> None:
                session(front, upstream)
                wait_until(is_at_rest, "the session has ended")

            one()
            kinds = kinds_of(pid)
            out = Path(folder) / "calls"
            with traced(pid, out):
                for _ in range(n):
                    one()
            return strace.read(out.read_text().splitlines(), kinds)


def report(sessions: list[strace.Session]) -> Iterator[str]:
    """Lines: the mean of each call, then one session in order."""
    yield f"{strace.per_session(sessions):.2f} system calls a session, mean of {len(sessions)}, waits apart"
    for (name, sock), mean in strace.means(sessions).items():
        yield f"{mean:8.2f}  {name:28} {sock}"
    order, n = strace.typical(sessions)
    yield f"one session in order ({n} of {len(sessions)} went exactly so)"
    number = 0
    for call in order:
        number += not call.is_wait
        yield f"{'' if call.is_wait else number:>8}  {call.name:28} {call.socket:10}{call.error}".rstrip()


def mapping(text: str) -> dict[str, Any]:
    """A YAML mapping from the command line. Errors: ArgumentTypeError."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no YAML: {error}") from None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is no mapping; write key: value, as in 'half_close: off'")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.guard.syscalls", description=__doc__)
    for part in PARTS:
        parser.add_argument(f"--{part}", type=mapping, metavar="YAML", default={}, help=f"laid over the {part}")
    parser.add_argument("--sessions", type=int, metavar="N", default=SESSIONS, help=f"how many ({SESSIONS})")
    parser.add_argument("--patient", action="store_true", help="the client speaks when it is through to the backend")
    parser.add_argument("--source-port", action="store_true", help="backend on a port that is also picked as a source")
    wish = parser.parse_args()
    if wish.sessions < 1:
        parser.error(f"--sessions {wish.sessions}: at least 1")
    parts = {part: getattr(wish, part) for part in PARTS}
    sessions = record(wish.sessions, is_patient=wish.patient, is_source_port=wish.source_port, **parts)
    print("\n".join(report(sessions)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
