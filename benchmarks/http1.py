"""Heads and bodies of HTTP/1.1 for benchmarks. `python -m benchmarks.http1`: instructions per byte, by callgrind.

Instructions are what `many` turns cost more than `few`, so that start and end do not count; only the data plane's own.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from nginy._fast import testwire
from tests.guard import callgrind

N_PIPELINED = 1000
FEW, MANY = 1, 11
ROOT = Path(__file__).parents[1]

BROWSER = (
    b"GET /api/v2/articles/1482?page=3&sort=date HTTP/1.1\r\n"
    b"Host: www.example.org\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Referer: https://www.example.org/api\r\n"
    b"Cookie: session=7f3a9c1e; theme=dark\r\n"
    b"Connection: keep-alive\r\n"
    b"Cache-Control: max-age=0\r\n"
    b"\r\n"
)
LEAST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PIPELINED = BROWSER * N_PIPELINED
TOKENS = b"%x\r\n%s\r\n" % (120, b"data: {%s}\n\n" % (b"x" * 110)) * N_PIPELINED + b"0\r\n\r\n"
FOR, VIA = 13, 11  # http_field_t
SET, ADD = 2, 4
FORWARDED = {FOR: (ADD, b"192.0.2.1"), VIA: (SET, b"1.1 nginy")}


def write(turns: int) -> None:
    testwire.rewrites(BROWSER, testwire.Rewrite(ways=FORWARDED), turns * N_PIPELINED)


PLAYS: dict[str, tuple[int, Callable[[int], object]]] = {
    "read heads of 414 bytes": (len(PIPELINED), lambda turns: testwire.requests(PIPELINED, turns)),
    "read heads of 27 bytes": (len(LEAST) * N_PIPELINED, lambda turns: testwire.requests(LEAST * N_PIPELINED, turns)),
    "write heads of 414 bytes": (len(PIPELINED), write),
    "pass chunks of 120 bytes": (len(TOKENS), lambda turns: testwire.chunked(TOKENS, turns)),
}
"""What -> bytes of a turn, and how turns are played."""


def instructions(play: str, turns: int) -> float:
    """What the data plane spends on so many turns."""
    with tempfile.TemporaryDirectory(prefix="ngh-") as folder:
        out = Path(folder) / "out"
        command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"]
        command += [sys.executable, "-m", "benchmarks.http1", play, str(turns)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=callgrind.TIMEOUT_S)
        counts = callgrind.read_file(out)
    return sum(number for name, number in counts.items() if name.startswith("wire."))


def main() -> None:
    if len(sys.argv) > 2:
        PLAYS[sys.argv[1]][1](int(sys.argv[2]))
        return
    for play, (n_bytes, _) in PLAYS.items():
        spent = (instructions(play, MANY) - instructions(play, FEW)) / (MANY - FEW)
        print(f"{play:28} {spent / n_bytes:6.2f} instructions per byte, {spent / N_PIPELINED:7.0f} each")


if __name__ == "__main__":
    main()
