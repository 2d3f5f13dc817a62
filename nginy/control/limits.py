"""What the system allows: descriptors for sessions and pipes, and the user that workers become."""

import grp
import os
import pwd
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nginy._fast import door
from nginy.control.cpus import has_room_to_spin, worker_cpus
from nginy.control.spawn import SpawnKind, WorkerOrder
from nginy.errors import StartError
from nginy.model import Config

PER_SESSION = 2  # descriptors: one leg each
PER_FLOW = 1  # towards the backend; the socket in front is the listener's
PER_PIPE = 2  # both ends
PIPES_MAX = 4096  # of a worker
PIPES_SHARE = 8  # they take at most one in so many: without a pipe bulk is copied, without a session nobody is served
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


@dataclass(frozen=True, slots=True)
class Room:
    """What one worker's descriptors suffice for.

    limit: descriptors of a process.   sessions: at most so many, beside the pipes.   pipes: of door.PIPE_BYTES.
    flows: of all UDP listeners together, beside both.
    """

    limit: int
    workers: int
    n_sockets: int
    sessions: int
    pipes: int
    flows: int = 0

    @property
    def all_sessions(self) -> int:
        """Over all workers."""
        return self.sessions * self.workers


def make_room(config: Config, limit: int, workers: int, n_sockets: int, spawn: SpawnKind) -> Room:
    """Share each worker's descriptors between TCP sessions, UDP flows and pipes, next to `n_sockets` listening sockets.

    TCP sessions that the configuration asks for come first. Where it does not say how many, they and the flows get half
    of the rest each, and whatever the other half leaves over.
    """
    free = _free_descriptors(limit, workers, n_sockets, spawn)
    needed = max(config.runtime.sessions or 0, -(-sum(_tcp_caps(config).values()) // workers), SESSIONS_MIN)
    has_tcp = any(listener.protocol != "udp" for listener in config.listeners.values())
    wanted = min(config.runtime.pipes // door.PIPE_BYTES, PIPES_MAX) if has_tcp else 0
    pipes = max(0, min(wanted, free // PIPES_SHARE // PER_PIPE, (free - needed * PER_SESSION) // PER_PIPE))
    left = max(0, free - pipes * PER_PIPE - needed * PER_SESSION)
    is_open = has_tcp and config.runtime.sessions is None
    flows = min(_wanted_flows(config, workers), (left // 2 if is_open else left) // PER_FLOW)
    return Room(limit, workers, n_sockets, (free - pipes * PER_PIPE - flows * PER_FLOW) // PER_SESSION, pipes, flows)


def _wanted_flows(config: Config, workers: int) -> int:
    """Of one worker, over all UDP listeners."""
    total = 0
    for listener in config.listeners.values():
        if listener.protocol == "udp":
            cap = listener.limits.sessions
            total += listener.session.max if cap is None else min(listener.session.max, -(-cap // workers))
    return total


def _tcp_caps(config: Config) -> dict[str, int]:
    """limits.sessions of the TCP listeners that have one, by name."""
    listeners = config.listeners.items()
    return {name: one.limits.sessions for name, one in listeners if one.protocol != "udp" and one.limits.sessions}


def _free_descriptors(limit: int, workers: int, n_sockets: int, spawn: SpawnKind) -> int:
    """Of each worker, for sessions, flows and pipes."""
    if spawn == "process":
        return max(0, limit - limit // RELOAD_SHARE - n_sockets - RESERVE)
    # threads share one table with each other and with the host
    open_now = len(os.listdir("/proc/self/fd"))
    free = limit - limit // RELOAD_SHARE - open_now - n_sockets * (workers + 1) - RESERVE * workers
    return max(0, free // workers)


def choose_sessions(config: Config, room: Room) -> int:
    """Size of each worker's slab.

    Errors: StartError with the numbers and the remedy when the configuration wants more than the limit
    allows.
    """
    if room.sessions < SESSIONS_MIN:
        raise StartError(
            f"the descriptor limit of {room.limit} leaves room for {room.sessions} sessions per worker, "
            f"{SESSIONS_MIN} are the least "
            f"({room.n_sockets} listening sockets, {PER_SESSION} descriptors per session); {_REMEDY}"
        )
    wanted = config.runtime.sessions
    if wanted is not None and wanted > room.sessions:
        raise StartError(
            f"runtime.sessions: {wanted} sessions need {wanted * PER_SESSION} descriptors per worker, "
            f"the limit of {room.limit} leaves room for {room.sessions} sessions; {_REMEDY} or lower runtime.sessions"
        )
    check_caps(config, room)
    return min(wanted or room.sessions, SESSIONS_MAX)


def check_caps(config: Config, room: Room) -> None:
    """Do the TCP listeners' own caps fit into the sessions of all workers? Errors: StartError.

    Flows of UDP are not refused but bounded: see flows.flow_bounds.
    """
    caps = _tcp_caps(config)
    total = sum(caps.values())
    if total > room.all_sessions:
        raise StartError(
            f"limits.sessions of {', '.join(caps)} allow {total} sessions, "
            f"which need {total * PER_SESSION} descriptors; "
            f"the limit of {room.limit} leaves room for {room.all_sessions} sessions over all workers; {_REMEDY}, "
            "add workers, or lower limits.sessions"
        )


def count_workers(config: Config) -> int:
    """runtime.workers as a number."""
    workers = config.runtime.workers
    return min(64, len(os.sched_getaffinity(0))) if workers == "auto" else workers


def worker_order(config: Config, room: Room, spawn: SpawnKind) -> WorkerOrder:
    """What every worker gets.

    Errors: StartError for too few descriptors, a CPU that is not ours, a user that it cannot become.
    """
    runtime = config.runtime
    uid, gid = (-1, -1) if spawn == "thread" else worker_rights(runtime.user, runtime.group)
    return WorkerOrder(
        sessions_max=choose_sessions(config, room),
        flows_max=max_flows(room),
        buffers_bytes=runtime.buffers,
        pipes_bytes=room.pipes * door.PIPE_BYTES,
        is_spin=runtime.spin and has_room_to_spin(room.workers),
        cpus=worker_cpus(config, room.workers),
        uid=uid,
        gid=gid,
    )


def max_flows(room: Room) -> int:
    """UDP flows of one worker at most, whatever a later reload asks for: half of the descriptors that are left for
    sessions, or what the configuration wanted at the start; and its share of the source ports."""
    half = (room.sessions * PER_SESSION + room.flows * PER_FLOW) // 2 // PER_FLOW
    first, last = door.local_ports()
    return max(1, min(max(room.flows, half), (last - first + 1) // room.workers))


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
