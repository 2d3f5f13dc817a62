"""A program for test_udp_integrity: nginy where links carry less than a datagram. Prints what it saw as JSON."""

import json
import random
import subprocess
import sys
from pathlib import Path

from tests.tools.configs import udp_config
from tests.tools.datagrams import MOST_BYTES, DatagramBackend, client_of, exchange
from tests.tools.fastopen_house import enter_own_network
from tests.tools.nginy_process import Nginy

LINKS = (1500, 1280)


def fragments_made() -> int:
    """IPv4's counter FragCreates."""
    lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:")]
    return int(dict(zip(lines[0], lines[1], strict=True))["FragCreates"])


def main() -> None:
    enter_own_network()
    chance = random.Random(1)
    wrong = []
    with DatagramBackend() as peer:
        nginy = Nginy(udp_config([peer.address], listener={"udp": {"gro": True}})).start()
        try:
            before = fragments_made()
            with client_of(nginy.address()) as client:
                for mtu in LINKS:
                    subprocess.run(["ip", "link", "set", "lo", "mtu", str(mtu)], check=True)
                    for length in (0, mtu - 28, mtu - 27, 9000, 40_000, MOST_BYTES):
                        payload = chance.randbytes(length)
                        if exchange(client, payload) != payload:
                            wrong.append(length)
                    run = [chance.randbytes(3000) for _ in range(8)]
                    for payload in run:
                        client.send(payload)
                    if [client.recv(65535) for _ in run] != run:
                        wrong.append(3000)
            dropped = nginy.listener("front")["datagrams"]["dropped"]
            print(json.dumps({"fragments": fragments_made() - before, "wrong": wrong, "dropped": dropped}))
            assert nginy.stop() == 0
        finally:
            nginy.clean_up()


if __name__ == "__main__":
    sys.exit(main())
