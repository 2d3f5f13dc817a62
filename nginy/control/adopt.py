"""Workers that outlived their control: found by their rejoin sockets, and all that they keep for the next
one.

They hand back the board, the newest snapshot and every listening socket. Control's own notes in the snapshot
say what these are: ids, binds, names, verdicts, weights. So sessions, sockets and counters go on as if nothing had
happened.
"""

import asyncio
import json
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from nginy._fast import door
from nginy.backend.owntables import Kept, from_block
from nginy.backend.registry import BackendKey
from nginy.control.channel import Message, close_all, receive
from nginy.control.ids import Ids
from nginy.control.listeners import Group, Member, adopted_group
from nginy.control.plan import BindWish
from nginy.control.rejoin import RejoinPaths
from nginy.control.world import Published, World, published_in
from nginy.errors import StartError

FORMAT = 3
ANSWER_TIMEOUT_S = 2.0


@dataclass(slots=True)
class LeftWorker:
    """A living worker that answered. Owns the socket and the descriptors until somebody takes them over."""

    slot: int
    pid: int
    generation: int
    sock: socket.socket
    board_fd: int
    snapshot_fd: int = -1
    kept_fd: int = -1
    sockets: dict[int, int] = field(default_factory=dict)  # sock id to descriptor

    def close(self) -> None:
        """Let go: the worker goes on alone."""
        self.sock.close()
        close_all(fd for fd in (*self.blocks, *self.sockets.values()) if fd >= 0)
        self.sockets, self.board_fd, self.snapshot_fd, self.kept_fd = {}, -1, -1, -1

    @property
    def blocks(self) -> tuple[int, int, int]:
        """What it has handed over besides its sockets; -1 where there is none."""
        return self.board_fd, self.snapshot_fd, self.kept_fd


@dataclass(frozen=True, slots=True)
class Notes:
    """What control writes into each snapshot for its successor. binds: key to (wish, slot of each member).

    since: monotonic milliseconds, for slow start.
    """

    slots: int
    started_s: float
    ids: Ids
    binds: Mapping[str, tuple[BindWish, tuple[int, ...]]]
    answers: Mapping[str, list[str]]
    down: tuple[tuple[str, str], ...]
    published: Published
    since: Mapping[BackendKey, int]
    secret: bytes = b""


@dataclass(frozen=True, slots=True)
class Left:
    """A whole nginy without control. The caller owns all of it. kept: tables that programs have published."""

    generation: int
    notes: Notes
    kept: Kept
    board_fd: int
    groups: dict[str, Group]
    workers: tuple[LeftWorker, ...]

    def close(self) -> None:
        """Let go of workers and sockets, but not of the board. Idempotent."""
        for worker in self.workers:
            worker.close()
        for group in self.groups.values():
            group.close()


def write_notes(
    world: World,
    slots: int,
    started_s: float,
    answers: Mapping[str, Iterable[str]],
    down: Iterable[tuple[str, str]],
    since: Mapping[BackendKey, int],
    secret: bytes = b"",
) -> bytes:
    """The notes of one generation. secret: that control has drawn for sticky cookies."""
    notes = {
        "format": FORMAT,
        "slots": slots,
        "started_s": started_s,
        "ids": world.ids.to_meta(),
        "binds": [
            [list(astuple(group.wish)), [member.slot for member in group.members]] for group in world.groups.values()
        ],
        "answers": {host: list(addresses) for host, addresses in answers.items()},
        "down": [list(place) for place in down],
        "published": published_in(world),
        "since": [[list(key), ms] for key, ms in since.items()],
        "secret": secret.hex(),
    }
    return json.dumps(notes, separators=(",", ":")).encode()


def read_notes(block: bytes) -> Notes:
    """The notes in a snapshot.

    Errors: ValueError for a block or notes that this build does not understand.
    """
    notes: dict[str, Any] = json.loads(door.snapshot_meta(block))
    try:
        if notes["format"] != FORMAT:
            raise ValueError(f"its notes have format {notes['format']}, this build writes {FORMAT}")
        binds = {}
        for fields, slots in notes["binds"]:
            wish = BindWish(*fields)
            binds[wish.key] = (wish, tuple(int(slot) for slot in slots))
        return Notes(
            slots=int(notes["slots"]),
            started_s=float(notes["started_s"]),
            ids=Ids.empty().from_meta(notes["ids"]),
            binds=binds,
            answers=notes["answers"],
            down=tuple((pool, address) for pool, address in notes["down"]),
            # an earlier build did not write these
            published={pool: (call, weights) for pool, (call, weights) in notes.get("published", {}).items()},
            since={BackendKey(*key): int(ms) for key, ms in notes.get("since", ())},
            secret=bytes.fromhex(notes.get("secret", "")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its notes are incomplete ({error!r})") from error


async def find_left(rejoin: RejoinPaths) -> Left | None:
    """Look for workers that run without control; None: there are none, and stale files are removed.

    Errors: StartError for workers that cannot be adopted; they go on as they were.
    """
    found = rejoin.found()
    tries = [asyncio.to_thread(greet, slot, path) for slot, path in found.items()]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    workers = [answer for answer in answers if isinstance(answer, LeftWorker)]
    try:
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        for slot in found.keys() - {worker.slot for worker in workers}:
            rejoin.remove(slot)
        if not any(worker.generation for worker in workers):
            await asyncio.to_thread(_dismiss, workers, rejoin)
            return None
        return _take_over(workers)
    except BaseException as error:
        for worker in workers:
            worker.close()
        if isinstance(error, ValueError | OSError):
            raise StartError(f"cannot adopt the workers that run: {error}; stop them first") from error
        raise


def greet(slot: int, path: Path) -> LeftWorker | None:
    """Connect to one rejoin socket and hear the worker out; None: nobody lives there. Blocks up to
    ANSWER_TIMEOUT_S.

    Errors: ValueError, OSError for somebody who is not one of our workers.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker: LeftWorker | None = None
    try:
        sock.settimeout(ANSWER_TIMEOUT_S)
        sock.connect(str(path))
        worker = _meet(slot, sock, receive(sock))
        while worker is not None and worker.generation and not _is_all(worker, receive(sock)):
            pass
    except (ConnectionError, FileNotFoundError, TimeoutError):
        # dead, dying, or stuck: whoever is still there is found by its pid on the board
        if worker is not None:
            worker.close()
        worker = None
    except BaseException:
        if worker is not None:
            worker.close()
        sock.close()
        raise
    if worker is None:
        sock.close()
    return worker


def _meet(slot: int, sock: socket.socket, hello: Message | None) -> LeftWorker | None:
    if hello is None:
        return None
    if hello.kind != door.MSG_HELLO or hello.a != slot or not hello.fds or len(hello.ids) != 1:
        close_all(hello.fds)
        raise ValueError(f"worker {slot} greets in an unknown way")
    snapshot_fd, kept_fd = (*hello.fds[1:], -1, -1)[:2]
    return LeftWorker(slot, hello.ids[0], hello.b, sock, hello.fds[0], snapshot_fd, kept_fd)


def _is_all(worker: LeftWorker, message: Message | None) -> bool:
    if message is None:
        raise ConnectionResetError("the worker ended")
    worker.sockets.update(zip(message.ids, message.fds, strict=False))
    return message.kind == door.MSG_READY


def _dismiss(workers: list[LeftWorker], rejoin: RejoinPaths) -> None:
    """Their control died before it gave them anything to serve: there is nothing to adopt."""
    for worker in workers:
        with suppress(OSError):
            worker.sock.send(door.pack_message(door.MSG_STOP))
    for worker in workers:
        with suppress(OSError):
            worker.sock.recv(1)
        worker.close()
        rejoin.remove(worker.slot)


def _take_over(workers: list[LeftWorker]) -> Left:
    newest = max(workers, key=lambda worker: worker.generation)
    block = _read(newest.snapshot_fd)
    generation = door.verify_snapshot(block)
    notes = read_notes(block)
    kept = from_block(_read(newest.kept_fd)) if newest.kept_fd >= 0 else {}
    boards = {os.fstat(worker.board_fd).st_ino for worker in workers}
    if len(boards) != 1 or any(worker.slot >= notes.slots for worker in workers):
        raise ValueError("they do not belong together")
    groups = _take_groups(notes, workers)
    board_fd = os.dup(newest.board_fd)
    for worker in workers:
        close_all(fd for fd in worker.blocks if fd >= 0)
        worker.board_fd = worker.snapshot_fd = worker.kept_fd = -1
    return Left(generation, notes, kept, board_fd, groups, tuple(workers))


def _read(fd: int) -> bytes:
    """A sealed block, whole. Errors: ValueError, OSError."""
    n_bytes = os.fstat(fd).st_size
    block = bytearray()
    while piece := os.pread(fd, n_bytes - len(block), len(block)):
        block += piece
    return bytes(block)


def _take_groups(notes: Notes, workers: list[LeftWorker]) -> dict[str, Group]:
    """One copy of each socket that the notes know; other copies are closed, who holds what stays known."""
    pool: dict[int, int] = {}
    for worker in workers:
        for sock_id, fd in worker.sockets.items():
            pool.setdefault(sock_id, fd)
    missing = [name for name, sock_id in notes.ids.sockets.live.items() if sock_id not in pool]
    if missing:
        raise ValueError(f"they do not hold all sockets (missing: {missing})")
    groups = {}
    taken = set()
    for key, (wish, slots) in notes.binds.items():
        fds = [pool[notes.ids.sockets[key, place]] for place in range(len(slots))]
        taken.update(fds)
        members = [Member(slot, socket.socket(fileno=fd)) for slot, fd in zip(slots, fds, strict=True)]
        groups[key] = adopted_group(wish, members)
    for worker in workers:
        close_all(fd for fd in worker.sockets.values() if fd not in taken)
        worker.sockets = dict.fromkeys(worker.sockets, -1)
    return groups
