"""Bytes that end where readable memory ends: whoever looks one byte too far is killed."""

import ctypes
import mmap
from typing import Self

PROT_NONE, PROT_BOTH = 0, mmap.PROT_READ | mmap.PROT_WRITE
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class Guarded:
    """A place for up to `room` bytes in front of an unreadable page."""

    def __init__(self, room: int) -> None:
        n_pages = -(-room // mmap.PAGESIZE)
        self._end = n_pages * mmap.PAGESIZE
        self._memory = mmap.mmap(-1, self._end + mmap.PAGESIZE)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._protect(PROT_NONE)

    def put(self, given: bytes) -> int:
        """The address of these bytes; valid until the next call."""
        assert len(given) <= self._end
        self._memory[self._end - len(given) : self._end] = given
        return self._base + self._end - len(given)

    def _protect(self, rights: int) -> None:
        if _LIBC.mprotect(self._base + self._end, mmap.PAGESIZE, rights) < 0:
            raise OSError(ctypes.get_errno(), "mprotect")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._protect(PROT_BOTH)
