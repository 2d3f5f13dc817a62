"""A canary by client network: these clients get the new version, everybody else the old one."""

from ipaddress import ip_address, ip_network
from itertools import count

TESTERS = [ip_network("192.0.2.0/24"), ip_network("127.0.7.0/24")]
NEW_PORT = ":8001"  # the new version listens there


class Canary:
    """Turns among the backends of one version."""

    def __init__(self):
        self.turn = count()

    def build(self, backends):
        self.new = [backend for backend in backends if backend.address.endswith(NEW_PORT)]
        self.old = [backend for backend in backends if not backend.address.endswith(NEW_PORT)]

    def choose(self, context, attempt):
        client = ip_address(context.source_ip)
        is_tester = any(client in network for network in TESTERS)
        group = [backend for backend in (self.new if is_tester else self.old) if backend.is_usable]
        # None: the fallback chooses, so that testers are served too while the new version is down
        return group[next(self.turn) % len(group)] if group else None
