"""A program for test_fastopen: nginy, clients and backends in a network of their own. Prints what it saw as JSON."""

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
import threading
from pathlib import Path

import nginy
from nginy._fast import door
from tests.tools.configs import tcp_config

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
BOTH_SIDES = 3  # net.ipv4.tcp_fastopen: connecting and listening
ASKED = 6


def enter_own_network() -> None:
    """Needs CAP_SYS_ADMIN. Errors: OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = struct.unpack_from("16sh", fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0)))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))
    Path("/proc/sys/net/ipv4/tcp_fastopen").write_text(str(BOTH_SIDES))


def counter(name: str) -> int:
    """One of netstat's TcpExt counters."""
    lines = [line.split() for line in Path("/proc/net/netstat").read_text().splitlines() if line.startswith("TcpExt")]
    return int(dict(zip(lines[0], lines[1], strict=True))[name])


class Echo:
    """A backend that takes data with the SYN."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        self.seen = b""
        self.has_accepted = threading.Event()
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            self.has_accepted.set()
            with conn:
                while data := conn.recv(65536):
                    self.seen += data
                    conn.sendall(data)

    def close(self) -> None:
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def ask(port: int, data: bytes, *, silent_until: threading.Event | None = None) -> bytes:
    """Send at once, or after the event; read the echo. b"" when the session was reset."""
    with socket.socket() as sock:
        try:
            if silent_until is None:
                sock.sendto(data, socket.MSG_FASTOPEN, ("127.0.0.1", port))
            else:
                sock.connect(("127.0.0.1", port))
                silent_until.wait(10)
                sock.sendall(data)
            sock.settimeout(10)
            answer = b""
            while len(answer) < len(data):
                piece = sock.recv(65536)
                if not piece:
                    break
                answer += piece
            return answer
        except ConnectionError:
            return b""


def main() -> None:
    enter_own_network()
    one, two = Echo(), Echo()
    tcp = {"fastopen": 16}
    seen: dict[str, int] = {"asked": ASKED, "answered": 0, "bytes_asked": 0}
    config = tcp_config([one.address], listener={"tcp": tcp}, pool={"tcp": {"fastopen": True}})
    with nginy.Server(config) as server:
        port = server.ports["front"][0]
        before = counter("TCPFastOpenActive")
        for number in range(ASKED):
            data = b"question %d" % number
            seen["answered"] += ask(port, data) == data
            seen["bytes_asked"] += len(data)
        seen["fast_active"] = counter("TCPFastOpenActive") - before
        counters = server.view().listeners[0].counters
        seen |= {"bytes_in": counters["bytes_in"], "bytes_out": counters["bytes_out"]}
    one.close()
    config = tcp_config([one.address, two.address], listener={"tcp": tcp}, pool={"tcp": {"fastopen": True}})
    with nginy.Server(config) as server:
        port = server.ports["front"][0]
        seen["lost_was_reset"] = int(ask(port, b"lost") == b"")
        seen["lost_seen_elsewhere"] = two.seen.count(b"lost")
        reasons = server.view().listeners[0].counters["reasons"]
        seen["connect_failed"] = reasons[door.REASONS.index("connect_failed")]
    with nginy.Server(config) as server:
        port = server.ports["front"][0]
        seen["silent_then_answered"] = int(ask(port, b"found", silent_until=two.has_accepted) == b"found")
    print(json.dumps(seen))


if __name__ == "__main__":
    sys.exit(main())
