"""A program for test_udp_backends: datagrams that come back, in a network of their own. Prints what it saw as JSON.

`self WORKERS`: one nginy that is its own backend.   `ring WORKERS`: two that are each other's.   A third word bounds
the flows of one source.
"""

import json
import subprocess
import sys
import time
from contextlib import ExitStack

from tests.tools.configs import udp_config
from tests.tools.datagrams import client_of
from tests.tools.fastopen_house import enter_own_network
from tests.tools.nginy_process import Nginy
from tests.tools.waiting import wait_until

OURS = "10.9.8.7"
PORTS = (30001, 30002)
QUIET_S = 0.3
LIMITS = {"flows_per_source": int(sys.argv[3])} if sys.argv[3:] else {}


def start(stack: ExitStack, port: int, backend: int, workers: int) -> Nginy:
    """A wildcard listener; its backend is an address of this machine, which no check can know."""
    config = udp_config(
        [f"{OURS}:{backend}"], workers=workers, listener={"bind": f":{port}", "limits": LIMITS},
        session={"idle": "30s", "max": 1000},
    )  # fmt: skip
    nginy = Nginy(config)
    stack.callback(nginy.clean_up)
    return nginy.start()


def main() -> None:
    kind, workers = sys.argv[1], int(sys.argv[2])
    enter_own_network()
    subprocess.run(["ip", "address", "add", f"{OURS}/32", "dev", "lo"], check=True)
    with ExitStack() as stack:
        one = start(stack, PORTS[0], PORTS[1] if kind == "ring" else PORTS[0], workers)
        if kind == "ring":
            start(stack, PORTS[1], PORTS[0], workers)
        client = stack.enter_context(client_of(f"{OURS}:{PORTS[0]}"))
        client.send(b"round and round")
        wait_until(lambda: one.listener("front")["datagrams"]["from_clients"] >= 2, "it came back once")
        time.sleep(QUIET_S)
        seen = one.listener("front")["datagrams"]
        time.sleep(QUIET_S)
        seen["later"] = one.listener("front")["datagrams"]["from_clients"]
        print(json.dumps(seen))


if __name__ == "__main__":
    sys.exit(main())
