"""What the system allows: descriptors for sessions, and the user that workers become."""

import grp
import os
import pwd
import resource
from contextlib import suppress
from pathlib import Path

from nginy.control.spawn import SpawnKind, WorkerOrder
from nginy.errors import StartError
from nginy.model import Config

PER_SESSION = 2  # descriptors: one leg each
RESERVE = 32  # epoll, channel, board, snapshots in passing, standard streams
RELOAD_SHARE = 64  # and one in so many descriptors for listeners that a reload may add
SESSIONS_MIN = 16  # fewer are no load balancer but a mistake in the limits
SESSIONS_MAX = 1 << 20
_REMEDY = "raise the hard limit (ulimit -Hn, LimitNOFILE= of the service)"


def raise_descriptor_limit() -> int:
    """Soft limit up to the hard one. -> descriptors that a process may have.

    Never fails: the old limit stays then.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard
    if hard == resource.RLIM_INFINITY:
        wanted = int(Path("/proc/sys/fs/nr_open").read_text())
    if soft != wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def room_for_sessions(limit: int, workers: int, n_sockets: int, spawn: SpawnKind) -> int:
    """Sessions that each worker's descriptors suffice for, next to `n_sockets` listening sockets."""
    if spawn == "process":
        return max(0, (limit - limit // RELOAD_SHARE - n_sockets - RESERVE) // PER_SESSION)
    # threads share one table with each other and with the host
    open_now = len(os.listdir("/proc/self/fd"))
    free = limit - limit // RELOAD_SHARE - open_now - n_sockets * (workers + 1) - RESERVE * workers
    return max(0, free // PER_SESSION // workers)


def choose_sessions(config: Config, limit: int, workers: int, n_sockets: int, spawn: SpawnKind) -> int:
    """Size of each worker's slab.

    Errors: StartError with the numbers and the remedy when the configuration wants more than the limit
    allows.
    """
    room = room_for_sessions(limit, workers, n_sockets, spawn)
    if room < SESSIONS_MIN:
        raise StartError(
            f"the descriptor limit of {limit} leaves room for {room} sessions per worker, "
            f"{SESSIONS_MIN} are the least "
            f"({n_sockets} listening sockets, {PER_SESSION} descriptors per session); {_REMEDY}"
        )
    wanted = config.runtime.sessions
    if wanted is not None and wanted > room:
        raise StartError(
            f"runtime.sessions: {wanted} sessions need {wanted * PER_SESSION} descriptors per worker, "
            f"the limit of {limit} leaves room for {room} sessions; {_REMEDY} or lower runtime.sessions"
        )
    check_caps(config, room * workers, limit)
    return min(wanted or room, SESSIONS_MAX)


def check_caps(config: Config, room: int, limit: int) -> None:
    """Do the listeners' own caps fit into `room` sessions of all workers? Errors: StartError."""
    caps = {name: listener.limits.sessions for name, listener in config.listeners.items() if listener.limits.sessions}
    total = sum(cap or 0 for cap in caps.values())
    if total > room:
        raise StartError(
            f"limits.sessions of {', '.join(caps)} allow {total} sessions, "
            f"which need {total * PER_SESSION} descriptors; "
            f"the limit of {limit} leaves room for {room} sessions over all workers; {_REMEDY}, "
            "add workers, or lower limits.sessions"
        )


def count_workers(config: Config) -> int:
    """runtime.workers as a number."""
    workers = config.runtime.workers
    return min(64, len(os.sched_getaffinity(0))) if workers == "auto" else workers


def worker_order(config: Config, sessions_max: int, spawn: SpawnKind) -> WorkerOrder:
    """What every worker gets. Errors: StartError when it cannot become the configured user."""
    uid, gid = (-1, -1) if spawn == "thread" else worker_rights(config.runtime.user, config.runtime.group)
    return WorkerOrder(sessions_max, config.runtime.buffers, uid, gid)


def worker_rights(user: str | None, group: str | None) -> tuple[int, int]:
    """(uid, gid) for workers, -1 for no change. Errors: StartError for an unknown name or a missing right."""
    uid, gid = -1, -1
    try:
        if user is not None:
            entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
            uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        raise StartError(f"runtime.user: there is no user {user!r} on this machine") from None
    try:
        if group is not None:
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise StartError(f"runtime.group: there is no group {group!r} on this machine") from None
    if os.geteuid() != 0:
        if (uid, gid) in ((os.geteuid(), os.getegid()), (os.geteuid(), -1)):
            return -1, -1
        if (uid, gid) != (-1, -1):
            raise StartError("runtime.user, runtime.group: only root can change them; start as root or remove them")
    return uid, gid


def write_pid_file(path: str) -> None:
    """Whole or not at all. Errors: StartError when the folder refuses it."""
    draft = f"{path}.{os.getpid()}"
    try:
        Path(draft).write_text(f"{os.getpid()}\n")
        os.replace(draft, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(draft)
        raise StartError(f"cannot write the pid file {path}: {error.strerror}") from error


def remove_pid_file(path: str) -> None:
    """Unless it names somebody else by now."""
    with suppress(OSError):
        if Path(path).read_text().strip() == str(os.getpid()):
            os.unlink(path)
