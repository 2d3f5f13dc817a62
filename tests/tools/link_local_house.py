"""A program for test_udp_client_address: clients with link-local addresses, which mean nothing without their link.

Prints the answers by kind of key as JSON.
"""

import json
import socket
import subprocess
from typing import Any

from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend
from tests.tools.fastopen_house import enter_own_network
from tests.tools.nginy_process import Nginy

ADDRESSES = ("fe80::1", "fe80::2")
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
        try:
            return sock.recv(100).decode()
        except OSError as error:
            return type(error).__name__


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
    print(json.dumps(said))


if __name__ == "__main__":
    main()
