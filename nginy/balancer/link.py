"""The link between control and a policy process: messages, and the words that an exit status stands for."""

import asyncio
import json
import struct
from collections.abc import Mapping
from typing import Any

LENGTH = struct.Struct("=I")
MESSAGE_MAX_BYTES = 1 << 26  # 65,535 backends with the longest addresses take a quarter of it
EXIT_FORKED = 71
EXIT_MEMORY = 72


def pack_link(message: Mapping[str, Any]) -> bytes:
    """One message of the link."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return LENGTH.pack(len(body)) + body


async def read_link(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None at the end of the link. Errors: ValueError for one that is none."""
    try:
        (n_bytes,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        if n_bytes > MESSAGE_MAX_BYTES:
            raise ValueError(f"a message of {n_bytes} bytes")
        message: dict[str, Any] = json.loads(await reader.readexactly(n_bytes))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return message
