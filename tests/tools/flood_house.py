"""A program for test_udp_flood and its benchmark: flows beside a flood from made-up addresses, in a network of their
own. Prints what it saw as JSON.

Words: datagrams of the flood a second, seconds of it, and the core that nginy stays on, if it shall.
"""

import ctypes
import json
import socket
import struct
import sys
import time
from typing import Any

from tests.tools.configs import udp_config
from tests.tools.datagrams import DatagramBackend, tells_sender
from tests.tools.fastopen_house import enter_own_network
from tests.tools.flows import LiveFlows
from tests.tools.nginy_process import Nginy
from tests.tools.spoof import PAYLOAD, Flood
from tests.tools.waiting import wait_until

SO_ATTACH_FILTER = 26
FLOWS = 500
CAP = 2000
LIVE_RATE = 2000.0
TARGET = ("127.0.0.1", 30053)


def serve(payload: bytes, sender: Any) -> list[bytes]:
    """The flood is never answered."""
    return [] if payload == PAYLOAD else tells_sender(b"a")(payload, sender)


def refuse_flood(sock: socket.socket) -> None:
    """Let the kernel throw away what the backend would not answer, so that it has time for the rest."""
    length = 8 + len(PAYLOAD)  # of the datagram with its header; LD length, JEQ, RET 0, RET all
    program = struct.pack("=HBBIHBBIHBBIHBBI", 0x80, 0, 0, 0, 0x15, 0, 1, length, 0x06, 0, 0, 0, 0x06, 0, 0, 0xFFFF)
    code = ctypes.create_string_buffer(program, len(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(code)))


def flooded(nginy: Nginy, rate: float, seconds: float) -> dict[str, Any]:
    """What became of the flows that stood before the flood began."""
    with LiveFlows(nginy.address(), FLOWS, rate=LIVE_RATE, seed=int(rate)) as flows:
        wait_until(lambda: flows.all_answered, "every flow has a way")
        before = flows.tally.sent
        most, judged = 0, nginy.listener("front")["datagrams"]["from_clients"]
        with Flood(TARGET, rate) as flood:
            begin_s = time.monotonic()
            end_s = begin_s + seconds
            while time.monotonic() < end_s:
                row = nginy.listener("front")
                most = max(most, row["sessions_live"])
                time.sleep(0.1)
            took_s = time.monotonic() - begin_s
            judged = nginy.listener("front")["datagrams"]["from_clients"] - judged
            n_flood = flood.stop()
        tally = flows.stop()
    row = nginy.listener("front")
    return {
        "flood": n_flood,
        "judged_per_s": judged / took_s,
        "most_live": most,
        "ends": row["ends"],
        "dropped": row["datagrams"]["dropped"],
        "assured": row["datagrams"]["flows_assured"],
        "from_clients": row["datagrams"]["from_clients"],
        "sent": tally.sent,
        "sent_during": tally.sent - before,
        "lost": tally.lost,
        "wrong": tally.wrong[:5],
        "moved": len(tally.flows_that_moved()),
    }


def main() -> None:
    rate, seconds, *core = sys.argv[1:]
    enter_own_network()
    with DatagramBackend(answer=serve) as peer:
        config = udp_config(
            [peer.address], session={"idle": "30s", "max": CAP}, listener={"bind": f"{TARGET[0]}:{TARGET[1]}"}
        )
        refuse_flood(peer.sock)
        nginy = Nginy(config, before=["taskset", "-c", *core] if core else []).start()
        try:
            print(json.dumps(flooded(nginy, float(rate), float(seconds))))
            assert nginy.stop() == 0
        finally:
            nginy.clean_up()


if __name__ == "__main__":
    sys.exit(main())
