"""Rejoin sockets: where a worker that has lost its control can be found by the next one.

`<control socket>.w<slot>`, mode 0600. Control binds them, workers accept on them once their channel has
ended.
"""

import os
import re
import socket
from contextlib import suppress
from pathlib import Path

from nginy.errors import StartError

_PATH_MAX_BYTES = 107  # sun_path without the closing zero


class RejoinPaths:
    """The rejoin sockets beside one control socket."""

    def __init__(self, control_socket: Path) -> None:
        self._base = control_socket
        self._bound: set[int] = set()

    def path(self, slot: int) -> Path:
        return self._base.with_name(f"{self._base.name}.w{slot}")

    def bind(self, slot: int) -> socket.socket:
        """A fresh listening socket for the next worker of that slot; one that a dead worker left is replaced.

        Errors: StartError when the folder refuses it.
        """
        path = str(self.path(slot))
        if len(os.fsencode(path)) > _PATH_MAX_BYTES:
            raise StartError(f"the path of the control socket is too long: {path}")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            # the mode of the file comes from the socket itself: never open to others, not even for an instant
            os.fchmod(sock.fileno(), 0o600)
            self.remove(slot)
            sock.bind(path)
            self._bound.add(slot)
            sock.listen(4)
        except OSError as error:
            sock.close()
            raise StartError(f"cannot make the socket {path}: {error.strerror}") from error
        return sock

    def remove(self, slot: int) -> None:
        with suppress(FileNotFoundError):
            self.path(slot).unlink()

    def remove_bound(self) -> None:
        """Remove every file that was made here; those of workers that were there before stay."""
        for slot in self._bound:
            self.remove(slot)
        self._bound.clear()

    def remove_all(self) -> None:
        for slot in self.found():
            self.remove(slot)

    def found(self) -> dict[int, Path]:
        """Slots with a file, living or not."""
        pattern = re.compile(re.escape(self._base.name) + r"\.w(\d{1,2})")
        slots = {}
        with suppress(OSError):
            for entry in self._base.parent.iterdir():
                if matched := pattern.fullmatch(entry.name):
                    slots[int(matched[1])] = entry
        return dict(sorted(slots.items()))
