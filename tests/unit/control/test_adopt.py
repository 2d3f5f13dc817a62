"""Adopt: control's notes, and greetings of those who are not our workers."""

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nginy._fast import door
from nginy.backend.registry import BackendKey
from nginy.config import parse_config
from nginy.control.adopt import Notes, greet, read_notes, write_notes
from nginy.control.ids import Ids
from nginy.control.listeners import Member, open_group
from nginy.control.plan import wanted_binds
from nginy.control.rejoin import RejoinPaths
from nginy.control.world import IdBook, World


def block_with(meta: bytes, gen: int = 7) -> bytes:
    return door.pack_snapshot(gen, [], [], [], [], meta=meta)


def test_notes_come_back_whole() -> None:
    tree = {
        "pools": {"p": {"backends": ["127.0.0.1:1"], "policy": {"kind": "table", "call": "__main__:Weights"}}},
        "listeners": {
            "web": {"bind": ["127.0.0.1:0", "[::1]:0"], "pool": "p"},
            "dns": {
                "bind": ["127.0.0.1:0", "[::]:0"], "protocol": "udp", "pool": "p",
                "session": {"key": {"kind": "bytes", "offset": 1, "length": 4}}, "udp": {"rcvbuf": "1M", "gro": "on"},
            },
        },
    }
    config = parse_config(tree)
    groups = {wish.key: open_group(wish, 2, door.SHARED_SLOT, {}) for wish in wanted_binds(config)}
    board = door.Board(door.board_create(2), 2)
    try:
        world = IdBook(board).assign(World(config, {}, Ids.empty(), groups), 1, 0)
        world = replace(world, published={"p": {"127.0.0.1:1": 5}})
        since = {BackendKey("p", "db.test:1", "10.0.0.1:1"): 77}
        known = {"db.test": ("10.0.0.1",)}, [("p", "127.0.0.1:1")]
        block = block_with(write_notes(world, 2, 12.5, *known, since, b"drawn"))
        notes = read_notes(block)
    finally:
        board.close()
        for group in groups.values():
            group.close()
    binds = {key: (group.wish, tuple(m.slot for m in group.members)) for key, group in groups.items()}
    published = {"p": ("__main__:Weights", {"127.0.0.1:1": 5})}
    answers, down = {"db.test": ["10.0.0.1"]}, (("p", "127.0.0.1:1"),)
    assert notes == Notes(2, 12.5, world.ids, binds, answers, down, published, since, b"drawn")
    assert all(isinstance(member, Member) for group in groups.values() for member in group.members)


@pytest.mark.parametrize("meta", [b"", b"{}", b'{"format":99}', b'{"format":1}', b"[]", b"\xff"])
def test_notes_of_another_kind_are_refused(meta: bytes) -> None:
    with pytest.raises(ValueError):
        read_notes(block_with(meta))


def test_a_flipped_bit_is_refused() -> None:
    block = bytearray(block_with(b"{}"))
    block[-1] ^= 1
    with pytest.raises(ValueError):
        read_notes(bytes(block))


@pytest.fixture
def paths(tmp_path: Path) -> RejoinPaths:
    return RejoinPaths(tmp_path / "n.sock")


def answer(paths: RejoinPaths, speak: Callable[[socket.socket], object]) -> None:
    """Somebody at the rejoin socket of slot 0 who accepts once, speaks and leaves."""
    listening = paths.bind(0)

    def serve() -> None:
        with listening:
            accepted, _ = listening.accept()
            with accepted:
                speak(accepted)

    threading.Thread(target=serve, daemon=True).start()


def test_rejoin_files_are_closed_to_others_and_found_again(paths: RejoinPaths, tmp_path: Path) -> None:
    with paths.bind(0), paths.bind(12):
        assert {path.stat().st_mode & 0o777 for path in paths.found().values()} == {0o600}
        (tmp_path / "n.sock.wx").touch()
        (tmp_path / "n.sock.lock").touch()
        assert list(paths.found()) == [0, 12]
    paths.remove_bound()
    assert not paths.found()


def test_a_fresh_worker_replaces_the_file_of_a_dead_one(paths: RejoinPaths) -> None:
    paths.bind(0).close()
    with paths.bind(0):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(str(paths.path(0)))


def test_nobody_there_is_no_worker(paths: RejoinPaths) -> None:
    assert greet(0, paths.path(0)) is None
    paths.bind(0).close()
    assert greet(0, paths.path(0)) is None


def test_a_worker_that_ends_while_it_speaks_is_no_worker(paths: RejoinPaths) -> None:
    board_fd = door.board_create(1)

    def speak(sock: socket.socket) -> None:
        socket.send_fds(sock, [door.pack_message(door.MSG_HELLO, 0, 1, (1,))], [board_fd, board_fd])

    answer(paths, speak)
    assert greet(0, paths.path(0)) is None


@pytest.mark.parametrize(
    "message",
    [b"hello", door.pack_message(door.MSG_READY, 0, 1), door.pack_message(door.MSG_HELLO, 3, 1, (1,))],
)
def test_somebody_else_is_an_error(paths: RejoinPaths, message: bytes) -> None:
    answer(paths, lambda sock: sock.send(message))
    with pytest.raises(ValueError):
        greet(0, paths.path(0))
