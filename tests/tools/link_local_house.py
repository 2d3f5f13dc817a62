"""A program for test_udp_client_address: clients with link-local addresses, which mean nothing without their link.

Prints the answers by kind of key as JSON.
"""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend
from tests.tools.fastopen_house import enter_own_network
from tests.tools.nginy_process import Nginy
from tests.tools.waiting import wait_until

ADDRESSES = ("fe80::1", "fe80::2")
SPOILED_HEADER = b"\r\n\r\n\0\r\nQUIT\n\x21"  # it ends too early
KEYS: dict[str, Any] = {"tuple": "tuple", "source": "source", "bytes": {"kind": "bytes", "length": 4}}


def answer(nginy: Nginy) -> str:
    """What a client of the same link gets back."""
    port = int(nginy.address().rpartition(":")[2])
    link = socket.if_nametoindex("lo")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind((ADDRESSES[1], 0, 0, link))
        sock.settimeout(5)
        sock.connect((ADDRESSES[0], port, 0, link))
        sock.send(b"hello")
        return heard(sock)


def heard(sock: socket.socket) -> str:
    try:
        return sock.recv(100).decode()
    except OSError as error:
        return type(error).__name__


def answer_behind_another(nginy: Nginy) -> str:
    """The same, where the datagram before it in the batch comes from elsewhere and is dropped."""
    (worker,) = nginy.worker_pids()
    port = int(nginy.address().rpartition(":")[2])
    link = socket.if_nametoindex("lo")
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock,
    ):
        sock.bind((ADDRESSES[1], 0, 0, link))
        sock.settimeout(5)
        os.kill(worker, signal.SIGSTOP)
        wait_until(lambda: state_of(worker) == "T", "the worker's halt")
        other.sendto(SPOILED_HEADER, ("::1", port))
        sock.sendto(b"hello", (ADDRESSES[0], port, 0, link))
        os.kill(worker, signal.SIGCONT)
        return heard(sock)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def one_of_a_batch(peer: DatagramBackend) -> str:
    trusting = {"proxy_protocol": {"from": ["::1/128"]}}
    nginy = Nginy(udp_config([peer.address], listener={"bind": "[::]:0", "udp": trusting})).start()
    try:
        return answer_behind_another(nginy)
    finally:
        nginy.stop()
        nginy.clean_up()


def main() -> None:
    enter_own_network()
    for address in ADDRESSES:
        subprocess.run(["ip", "-6", "address", "add", f"{address}/64", "dev", "lo", "nodad"], check=True)
    said = {}
    with DatagramBackend() as peer:
        for name, key in KEYS.items():
            nginy = Nginy(udp_config([peer.address], listener={"bind": "[::]:0", "session": {"key": key}})).start()
            try:
                said[name] = answer(nginy)
            finally:
                nginy.stop()
                nginy.clean_up()
        said["behind another"] = one_of_a_batch(peer)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
