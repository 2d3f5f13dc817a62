"""System calls of a worker's sessions, read from strace's output: which call, on which of the session's sockets."""

import collections
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LINE = re.compile(r"(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|\?)(?: (E[A-Z0-9]+))?")
WAITS = frozenset({"epoll_wait", "epoll_pwait", "epoll_pwait2", "restart_syscall"})
DETAIL_AT = {"setsockopt": 2, "getsockopt": 2, "shutdown": 1, "epoll_ctl": 1}
CONTROL = "control"
PIPE = "pipe"
NO_SOCKET = "-"
MAKERS = {"socket": "back", "pipe2": PIPE}


@dataclass(frozen=True, slots=True)
class Call:
    """name: with what tells two apart, as `setsockopt TCP_NODELAY`.

    socket: listener, front, back, pipe; control (channel, board, …); `-` = on nothing known.
    error: as `EAGAIN`, or empty.
    """

    name: str
    socket: str
    error: str = ""

    @property
    def is_wait(self) -> bool:
        return self.name in WAITS


Session = list[Call]


class Sockets:
    """What each descriptor of the worker is at this moment."""

    def __init__(self, before: Mapping[int, str]) -> None:
        """before: descriptor -> kind of those that were open before the first session, see kinds_of()."""
        self._roles = dict(before)

    def role(self, name: str, words: list[str]) -> str:
        """Of the descriptor that a call is about."""
        if name == "accept4":
            self._roles[int(words[0])] = "listener"
        at = 2 if name == "epoll_ctl" else 0
        if name in MAKERS:
            return MAKERS[name]
        if len(words) <= at or not words[at].isdigit():
            return NO_SOCKET
        return self._roles.get(int(words[at]), NO_SOCKET)

    def follow(self, name: str, words: list[str], answer: str) -> None:
        """A call has succeeded: what it has opened or closed."""
        if name == "accept4":
            self._roles[int(answer)] = "front"
        elif name == "socket":
            self._roles[int(answer)] = MAKERS[name]
        elif name == "pipe2":
            self._roles |= {int(fd): PIPE for fd in re.findall(r"\d+", " ".join(words[:2]))}
        elif name == "close":
            self._roles.pop(int(words[0]), None)


def kinds_of(links: Mapping[int, str]) -> dict[int, str]:
    """From /proc/pid/fd: a pipe may serve any session; the rest that is open before the first one is control's."""
    return {fd: PIPE if link.startswith("pipe:") else CONTROL for fd, link in links.items()}


def read(lines: Iterable[str], before: Mapping[int, str]) -> list[Session]:
    """The sessions' calls in order, each session from its accept to the next one's; waits among them, control's not.

    For sessions one after the other. A call that is no session's by its descriptor counts as one's all the same.
    """
    sockets = Sockets(before)
    sessions: list[Session] = []
    for line in lines:
        match = LINE.match(line)
        if match is None:
            continue
        name, answer = match[1], match[3]
        words = [word.strip(" []") for word in match[2].split(",")]
        call = Call(named(name, words), sockets.role(name, words), match[4] or "")
        if answer.isdigit():
            sockets.follow(name, words, answer)
        if name == "accept4" and answer.isdigit():
            sessions.append([])
        if sessions and (call.is_wait or call.socket != CONTROL):
            sessions[-1].append(call)
    return sessions


def named(name: str, words: list[str]) -> str:
    at = DETAIL_AT.get(name)
    return name if at is None or len(words) <= at else f"{name} {words[at].removeprefix('EPOLL_CTL_')}"


def per_session(sessions: list[Session]) -> float:
    """Mean number of calls, waits apart. Errors: ValueError without sessions."""
    if not sessions:
        raise ValueError("strace saw no session")
    return sum(not call.is_wait for session in sessions for call in session) / len(sessions)


def means(sessions: list[Session]) -> dict[tuple[str, str], float]:
    """(call, socket) -> how many a session."""
    counts = collections.Counter((call.name, call.socket) for session in sessions for call in session)
    return {key: n / len(sessions) for key, n in counts.most_common()}


def typical(sessions: list[Session]) -> tuple[Session, int]:
    """The most frequent order of calls, and how many sessions went so."""
    ((order, n),) = collections.Counter(tuple(session) for session in sessions).most_common(1)
    return list(order), n
