"""A program for test_udp_client_address: clients on another host, nginy sends from their addresses. Prints JSON.

Two network namespaces and a link between them; ours is nginy's and the backend's.
"""

import json
import os
import subprocess
import sys

from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend, client_of, exchange, tells_sender
from tests.tools.fastopen_house import enter_own_network
from tests.tools.nginy_process import Nginy

CLIENTS, NEAR, BACKEND = ("10.1.1.1", "10.1.1.2"), "10.1.1.254", "10.2.2.2"
PORT = 30053
FLOWS = 5


def ip(line: str) -> None:
    """One command of ip(8)."""
    subprocess.run(["ip", *line.split()], check=True)


def ask_from_there(ready: int, go: int, answers: int) -> None:
    """The child's life: a host of its own, with a few flows from each of its addresses."""
    enter_own_network()
    os.write(ready, b"1")
    os.read(go, 1)
    for address in CLIENTS:
        ip(f"address add {address}/24 dev far")
    ip("link set far up")
    seen = []
    for source in CLIENTS * FLOWS:
        with client_of(f"{NEAR}:{PORT}", source) as client:
            said = exchange(client, b"who am I?")
            seen.append([f"{source}:{client.getsockname()[1]}", said.decode()])
    os.write(answers, json.dumps(seen).encode())


def main() -> None:
    enter_own_network()
    ready, go, answers = os.pipe(), os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ask_from_there(ready[1], go[0], answers[1])
        finally:
            os._exit(0)
    os.close(answers[1])
    os.read(ready[0], 1)
    ip(f"link add near type veth peer name far netns {child}")
    ip(f"address add {NEAR}/24 dev near")
    ip("link set near up")
    ip(f"address add {BACKEND}/32 dev lo")
    ip(f"rule add from {BACKEND} lookup 100")  # what the backend answers comes back to this host
    ip("route add local default dev lo table 100")
    with DatagramBackend(answer=tells_sender(b"b"), host=BACKEND) as peer:
        config = udp_config([peer.address], listener={"bind": f"{NEAR}:{PORT}"}, pool={"udp": {"transparent": True}})
        nginy = Nginy(config).start()
        try:
            os.write(go[1], b"1")
            print(os.read(answers[0], 1 << 16).decode())
            assert nginy.stop() == 0
        finally:
            nginy.clean_up()
            os.waitpid(child, 0)


if __name__ == "__main__":
    sys.exit(main())
