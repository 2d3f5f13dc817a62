"""Heads and bodies of HTTP/1.1: `python -m pytest benchmarks/test_bench_http1.py -q`.

Beside httptools without callbacks, which uvicorn reads with: the number in brackets is how often the faster one fits
into the other. Instructions per byte: `python -m benchmarks.http1`.
"""

import importlib.util
from typing import Any

import pytest

from benchmarks import http1
from nginy._fast import testwire

pytestmark = pytest.mark.benchmark(max_time=0.5, min_rounds=10)

HEADS = {"414 bytes": http1.BROWSER, "27 bytes": http1.LEAST}


class Counting:
    """Counts the messages, so that the same thing is compared."""

    def __init__(self) -> None:
        self.n = 0

    def on_message_complete(self) -> None:
        self.n += 1


def read_by_httptools(wire: bytes, protocol: object) -> None:
    import httptools

    httptools.HttpRequestParser(protocol).feed_data(wire)


@pytest.mark.parametrize("size", HEADS)
@pytest.mark.parametrize("reader", ["nginy", "httptools"])
def test_pipelined_heads(benchmark: Any, size: str, reader: str) -> None:
    if reader == "httptools" and importlib.util.find_spec("httptools") is None:
        pytest.skip("httptools is not installed")
    wire = HEADS[size] * http1.N_PIPELINED
    benchmark.group = f"http1: read {http1.N_PIPELINED} pipelined heads of {size}"
    if reader == "nginy":
        assert benchmark(testwire.requests, wire) == http1.N_PIPELINED
        return
    counting = Counting()
    read_by_httptools(wire, counting)
    assert counting.n == http1.N_PIPELINED
    benchmark(read_by_httptools, wire, object())


@pytest.mark.parametrize("kind", ["as it came", "forwarded"])
def test_heads_written(benchmark: Any, kind: str) -> None:
    rewrite = testwire.Rewrite(ways=http1.FORWARDED if kind == "forwarded" else None)
    benchmark.group = f"http1: write a head of 414 bytes {http1.N_PIPELINED} times"
    assert benchmark(testwire.rewrites, http1.BROWSER, rewrite, http1.N_PIPELINED) > 300


def test_chunks_passed(benchmark: Any) -> None:
    benchmark.group = f"http1: pass {http1.N_PIPELINED} chunks of 120 bytes"
    assert benchmark(testwire.chunked, http1.TOKENS, 1) == len(http1.TOKENS)
