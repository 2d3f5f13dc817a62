"""Where the control socket is: one rule for the side that opens it and the side that looks for it."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from nginy.errors import StartError

PATH_MAX_BYTES = 100
"""The kernel takes 107; the rest is for the suffixes of lock and rejoin sockets."""

FOLDER_MODE = 0o700
SYSTEM_FOLDER = Path("/run/nginy")
DEFAULT_STEM = "nginy"


def socket_path(
    socket: str | None, config_path: Path | None = None, *, env: Mapping[str, str] | None = None
) -> Path:
    """The control socket's path. Looks at the environment and the user id, touches nothing.

    socket: `admin.socket` of the configuration; a relative one starts at the configuration file's folder.
    Without it: `<stem of the configuration file>.sock` in $RUNTIME_DIRECTORY, else /run/nginy for root,
    else $XDG_RUNTIME_DIR/nginy, else /tmp/nginy-<uid>.
    Errors: StartError for a path longer than PATH_MAX_BYTES.
    """
    if socket:
        base = config_path.parent if config_path else Path()
        path = base / socket.removeprefix("unix:")
    else:
        stem = config_path.stem if config_path else DEFAULT_STEM
        path = default_folder(os.environ if env is None else env) / f"{stem}.sock"
    path = Path(os.path.abspath(path))
    length_bytes = len(os.fsencode(path))
    if length_bytes > PATH_MAX_BYTES:
        raise StartError(
            f"the control socket's path has {length_bytes} bytes, at most {PATH_MAX_BYTES} work: {path}"
            " (set admin.socket to a shorter one)"
        )
    return path


def default_folder(env: Mapping[str, str], uid: int | None = None) -> Path:
    """The folder of control sockets for this user. uid: of this program unless told."""
    own = os.geteuid() if uid is None else uid
    if given := env.get("RUNTIME_DIRECTORY"):
        return Path(given.split(":")[0])
    if own == 0:
        return SYSTEM_FOLDER
    if session := env.get("XDG_RUNTIME_DIR"):
        return Path(session) / "nginy"
    return Path("/tmp") / f"nginy-{own}"


def prepare_folder(path: Path) -> None:
    """Make the folder of the control socket `path`, closed to others, unless it is there.

    Errors: StartError when it cannot be made, is no folder, or others could put their own socket there.
    """
    folder = path.parent
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as failure:
        raise StartError(
            f"cannot make the folder of the control socket {path}: {failure.strerror}"
        ) from failure
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if others_write and not found.st_mode & stat.S_ISVTX:
        raise StartError(f"{folder} can be written by others: no safe place for the control socket")
    if folder == default_folder(os.environ) and found.st_uid not in (0, os.geteuid()):
        raise StartError(f"{folder} belongs to another user: no safe place for the control socket")
