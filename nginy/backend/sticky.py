"""Sticky cookies and reported loads of a pool, as workers see them."""

import hashlib
from math import ceil

from nginy._fast import door
from nginy.backend.rows import StickyRow
from nginy.model import InsertSticky, Pool

_ABOUT = b"nginy sticky cookie\0"
KEY_BYTES = 16


def sticky_of(pool: Pool, secret: bytes) -> StickyRow | None:
    """The row of a pool's cookies, None without. secret: where the pool has none of its own.

    The key is made of the secret and of the cookie's name, so that a cookie means nothing under another name.
    """
    sticky = pool.sticky
    if sticky is None:
        return None
    name = sticky.name.encode("ascii")
    mixed = hashlib.sha256(_ABOUT + name + b"\0" + (sticky.secret or secret)).digest()
    row = StickyRow(door.STICKY[sticky.kind], name, mixed[:KEY_BYTES])
    if isinstance(sticky, InsertSticky):
        row.max_age_s = ceil(sticky.max_age or 0)
        row.is_secure, row.same_site = sticky.secure, door.SAME_SITE[sticky.same_site]
    return row
