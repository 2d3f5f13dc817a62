"""The real programs that tests talk to: where they are, and their Debian packages."""

import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = {
    "chromium": "chromium",
    "curl": "curl",
    "dig": "bind9-dnsutils",
    "dnsmasq": "dnsmasq-base",
    "dnsperf": "dnsperf",
    "haproxy": "haproxy",
    "iperf3": "iperf3",
    "initdb": "postgresql",
    "ip": "iproute2",
    "logger": "bsdutils",
    "nft": "nftables",
    "nginx": "nginx",
    "objdump": "binutils",
    "pgbench": "postgresql",
    "postgres": "postgresql",
    "psql": "postgresql-client",
    "redis-benchmark": "redis-tools",
    "redis-cli": "redis-tools",
    "redis-server": "redis-server",
    "setpriv": "util-linux",
    "strace": "strace",
    "valgrind": "valgrind",
    "wrk": "wrk",
}


def find(program: str) -> str | None:
    """Its path; PostgreSQL's server programs lie outside of PATH."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        servers = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        found = str(servers[-1]) if servers else None
    return found


def install_missing() -> None:
    """With root and apt-get: install what is not there. A program that stays missing fails its tests under CI."""
    missing = sorted({package for program, package in PACKAGES.items() if find(program) is None})
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print("not installed, their tests will not run:", " ".join(missing), flush=True)
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "check": False}
    print("installing", " ".join(missing), flush=True)
    subprocess.run(["apt-get", "update", "-q"], **quiet)
    subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing], **quiet)
