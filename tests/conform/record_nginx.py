"""`python -m tests.conform.record_nginx`: writes vectors/nginx_hash.json from the installed nginx.

Of each case: the servers as written in nginx' configuration, and for every key the positions of those that nginx tried,
in order. Keys are `/item/0`, `/item/1`, … A ring depends on the text of its servers alone, so fixed addresses are good.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.conform.nginx import running

VECTORS = Path(__file__).parent / "vectors" / "nginx_hash.json"
KEYS = 2000
KEYS_IN_ORDER = 300

# have a point in common, found by trying some thousand addresses: a key before it belongs to whom nginx prefers then
TIED = (("127.0.1.106:8006", "127.0.6.36:8000"), ("127.0.4.149:8012", "127.0.7.10:8005"))

Servers = dict[str, tuple[int, bool]]  # as written -> weight, whether it is down


def key_of(number: int) -> str:
    return f"/item/{number}"


def address(number: int) -> str:
    return f"127.0.{number // 200}.{number % 200 + 1}:{8000 + number % 7}"


def numbered(weights: list[int], down: frozenset[int] = frozenset()) -> Servers:
    return {address(number): (weight, number in down) for number, weight in enumerate(weights)}


def mixed(n: int) -> list[int]:
    return [1 + number * 7 % 5 for number in range(n)]


def cases() -> Iterator[tuple[str, Servers, int, int]]:
    """(name, servers, keys, servers tried for a key with 0 for all)"""
    yield "2 equal", numbered([1] * 2), KEYS, 1
    yield "2 mixed", numbered([1, 3]), KEYS, 1
    yield "3 equal", numbered([1] * 3), KEYS, 1
    yield "3 weighted 5 1 1", numbered([5, 1, 1]), KEYS, 1
    yield "9 equal", numbered([1] * 9), KEYS, 1
    yield "9 mixed", numbered(mixed(9)), KEYS, 1
    yield "9 of weight 100", numbered([100] * 9), KEYS, 1
    yield "9 mixed, 2 down", numbered(mixed(9), frozenset((2, 5))), KEYS, 1
    yield "9 mixed without the fourth", {k: v for k, v in numbered(mixed(9)).items() if k != address(3)}, KEYS, 1
    yield "100 equal", numbered([1] * 100), KEYS, 1
    yield "100 mixed", numbered(mixed(100)), KEYS, 1
    yield "100 mixed, 7 down", numbered(mixed(100), frozenset(range(3, 100, 14))), KEYS, 1
    yield "100 mixed, the first 5 of each key", numbered(mixed(100)), KEYS_IN_ORDER, 5
    yield "9 mixed, all of each key", numbered(mixed(9)), KEYS_IN_ORDER, 0
    for one, other in TIED:
        yield f"equal points, {one} first", {one: (1, False), other: (1, False)}, KEYS, 1
        yield f"equal points, {other} first", {other: (1, False), one: (1, False)}, KEYS, 1
    written = ["127.0.9.1", "127.0.9.2:80", "unix:/nowhere/a.socket", "unix:/nowhere/b", "[::1]:9001", "[::1]:9002"]
    yield "ways to write a server", {name: (1 + i % 2, False) for i, name in enumerate(written)}, KEYS, 1


def record(folder: Path, servers: Servers, n_keys: int, tries: int) -> list[list[int]]:
    places = {name: place for place, name in enumerate(servers)}
    words = {name: f"weight={weight}{' down' if is_down else ''}" for name, (weight, is_down) in servers.items()}
    with running(folder, words, tries) as nginx:
        return [[places[name] for name in nginx.ask(key_of(number))] for number in range(n_keys)]


def main() -> None:
    version = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip()
    found = []
    for name, servers, n_keys, tries in cases():
        with tempfile.TemporaryDirectory() as folder:
            answers = record(Path(folder), servers, n_keys, tries)
        assert all(answers), f"{name}: a key without a server"
        flat = [row[0] for row in answers] if tries == 1 else answers
        found.append({"name": name, "servers": [[n, w, d] for n, (w, d) in servers.items()], "tried": flat})
        print(f"{name}: {len(answers)} keys", file=sys.stderr)
    text = ",\n".join(json.dumps(case, separators=(",", ":")) for case in found)
    VECTORS.parent.mkdir(exist_ok=True)
    VECTORS.write_text(f'{{"recorded from": {json.dumps(version)}, "cases": [\n{text}\n]}}\n')


if __name__ == "__main__":
    main()
