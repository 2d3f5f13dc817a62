"""The channel to one worker: short messages and descriptors over a SEQPACKET pair, never blocking control.

What is to be said is kept as a state, not as a queue: one publication, one mailbox and one order of each kind,
the newest wins. So a worker that does not read costs a bounded amount of memory and holds up nobody else.
"""

import asyncio
import errno
import os
import socket
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nginy._fast import door
from nginy.control.certificates import CertsRef
from nginy.control.tables import TableRef

# The kernel is short of something for a moment; there is no event for "try again".
_SHORTAGES = (errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM)
_SHORTAGE_RETRY_S = 0.01


@dataclass(frozen=True, slots=True)
class Publication:
    """One generation for the workers. fd: the sealed snapshot, borrowed from the publisher.

    sockets: (sock_id, descriptor) of every socket that the snapshot lists, borrowed from their groups.
    tables: what its pools look things up in; sent before it.   keepsake: what workers keep for a later control.
    certs: certificates and keys of listeners; sent before it, too.
    """

    generation: int
    fd: int
    sockets: tuple[tuple[int, int], ...]
    tables: tuple[TableRef, ...] = ()
    keepsake: TableRef | None = None
    certs: CertsRef | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What came in. The receiver owns fds."""

    kind: int
    a: int
    b: int
    ids: tuple[int, ...]
    fds: tuple[int, ...]


def receive(sock: socket.socket) -> Message | None:
    """One message; None at the end of the channel.

    Errors: BlockingIOError, OSError; ValueError for a foreign message.
    """
    room = socket.CMSG_SPACE(door.MAX_MESSAGE_FDS * 4)
    block, ancillary, _, _ = sock.recvmsg(door.MAX_MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    fds = array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    if not block:
        close_all(fds)
        return None
    try:
        kind, a, b, ids = door.unpack_message(block)
    except ValueError:
        close_all(fds)
        raise
    return Message(kind, a, b, tuple(ids), tuple(fds))


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors that nobody wants."""
    for fd in fds:
        os.close(fd)


class Channel:
    """Control's end. Belongs to the loop's thread; owns the socket.

    on_message(message) for each message, on_end() once when the worker's end is gone; neither after `close`.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_message: Callable[[Message], None],
        on_end: Callable[[], None],
        held: Iterable[int] = (),
    ) -> None:
        self._sock = sock
        self._on_message = on_message
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._orders: dict[int, bytes] = {}
        self._publication: Publication | None = None
        self._mail: tuple[int, ...] | None = None
        self._held = set(held)  # sock ids that the worker has been sent and not been told to drop
        self._tables: dict[int, int] = {}  # pool to number of the table that the worker was sent last
        self._resent: dict[int, int] = {}  # the same of the last one that was sent twice
        self._certs = 0  # number of the block of certificates that the worker was sent last
        self._kept = 0  # number of the keepsake that the worker was sent last
        self._is_waiting = False
        self._retry: asyncio.TimerHandle | None = None
        self.is_open = True
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._read)

    def offer(self, publication: Publication) -> None:
        """Send a generation; one that has not left yet is replaced."""
        self._publication = publication
        self._flush()

    def resend_table(self, pool: int, publication: Publication) -> bool:
        """Send a table that was refused once more, with its generation. False: it has been sent twice already."""
        number = next((table.number for table in publication.tables if table.pool == pool), 0)
        if not number or self._resent.get(pool) == number:
            return False
        self._resent[pool] = number
        self._tables.pop(pool, None)
        self.offer(publication)
        return True

    def mail(self, fds: tuple[int, ...]) -> None:
        """Send a mailbox and its bells, or word that there is none; unsent ones are replaced.

        The descriptors are borrowed until they are replaced.
        """
        self._mail = fds
        self._flush()

    def order(self, kind: int, a: int = 0) -> None:
        """Send an order; an unsent one of the same kind is replaced."""
        self._orders[kind] = door.pack_message(kind, a)
        self._flush()

    def finish(self) -> None:
        """Hear out a worker that has ended, then close.

        Its last words are messages, not the end of the channel.
        """
        self._on_end = lambda: None
        if self.is_open:
            self._read()
        self.close()

    def close(self) -> None:
        """Idempotent. Unsent messages are dropped."""
        if not self.is_open:
            return
        self.is_open = False
        self._publication = None
        self._mail = None
        self._orders.clear()
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._wait_for_room(False)
        self._sock.close()

    def _flush(self) -> None:
        try:
            while self.is_open and self._send_one():
                pass
        except BlockingIOError:
            self._wait_for_room(True)
        except OSError as error:
            if error.errno in _SHORTAGES:
                self._retry = self._loop.call_later(_SHORTAGE_RETRY_S, self._flush)
            else:
                # not from here: the caller may be in the middle of a walk over all channels
                self._loop.call_soon(self._end)
        else:
            self._wait_for_room(False)

    def _send_one(self) -> bool:
        """False: nothing is left to send. Orders first: a stop must not wait behind a generation."""
        for kind, message in self._orders.items():
            self._send(message)
            del self._orders[kind]
            return True
        if self._mail is not None:  # before the generation whose pools ask there
            self._send(door.pack_message(door.MSG_MAILBOX), self._mail)
            self._mail = None
            return True
        publication = self._publication
        if publication is None:
            return False
        missing = [entry for entry in publication.sockets if entry[0] not in self._held][: door.MAX_MESSAGE_FDS]
        if missing:
            ids = tuple(sock_id for sock_id, _ in missing)
            self._send(door.pack_message(door.MSG_SOCKETS, 0, 0, ids), [fd for _, fd in missing])
            self._held.update(ids)
            return True
        if publication.certs is not None and publication.certs.number != self._certs:
            self._send(door.pack_message(door.MSG_CERTS), [publication.certs.fd])
            self._certs = publication.certs.number
            return True
        keepsake = publication.keepsake
        if keepsake is not None and keepsake.number != self._kept:
            self._send(door.pack_message(door.MSG_KEEP), [keepsake.fd])
            self._kept = keepsake.number
            return True
        for table in publication.tables:
            if self._tables.get(table.pool) != table.number:
                self._send(door.pack_message(door.MSG_TABLE, table.pool), [table.fd])
                self._tables[table.pool] = table.number
                return True
        self._send(door.pack_message(door.MSG_SNAPSHOT, publication.generation), [publication.fd])
        listed = {table.pool for table in publication.tables}
        self._tables = {pool: number for pool, number in self._tables.items() if pool in listed}
        self._resent = {pool: number for pool, number in self._resent.items() if pool in listed}
        self._held &= {sock_id for sock_id, _ in publication.sockets}
        self._publication = None
        return True

    def _send(self, message: bytes, fds: Iterable[int] = ()) -> None:
        rights = array("i", fds)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else []
        self._sock.sendmsg([message], ancillary, socket.MSG_NOSIGNAL)

    def _wait_for_room(self, wanted: bool) -> None:
        if wanted and not self._is_waiting:
            self._loop.add_writer(self._sock.fileno(), self._flush)
        elif self._is_waiting and not wanted:
            self._loop.remove_writer(self._sock.fileno())
        self._is_waiting = wanted

    def _read(self) -> None:
        while self.is_open:
            try:
                message = receive(self._sock)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                message = None
            if message is None:
                self._end()
                return
            self._on_message(message)

    def _end(self) -> None:
        if self.is_open:
            self.close()
            self._on_end()
