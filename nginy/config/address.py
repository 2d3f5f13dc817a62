"""Addresses as people write them, to one canonical text each. Pure: nothing is looked up or opened here."""

from __future__ import annotations

import ipaddress
import re

from nginy.config.units import UnitError
from nginy.model import DATAGRAM_BINDS_MAX

SUN_PATH_MAX_BYTES = 107
# Workers put sockets of their own beside the control socket, with a suffix such as `.w63`.
CONTROL_PATH_MAX_BYTES = SUN_PATH_MAX_BYTES - 7

_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?"
)
_SERVER_NAME = re.compile(r"(?=.{1,255}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_SYSTEMD_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,255}")
_BACKEND_HINT = "write host:port, [v6]:port or unix:/path"
_BIND_HINT = "write ip:port, :port, [v6]:port, unix:/path or systemd:name"
_RANGE = re.compile(r"([0-9]{1,6})-([0-9]{1,6})")


def parse_backend(text: str) -> str:
    """Canonical `host:port`, `[v6]:port` or `unix:/path` of a target. Errors: UnitError."""
    if text.startswith("unix:"):
        return _unix(text)
    host, port = _split(text, _BACKEND_HINT)
    if not host:
        raise UnitError(f"{text!r} has no host", _BACKEND_HINT)
    return _join(_literal(host, text) or _name(host, text), _port(port, text, least=1))


def parse_bind(text: str) -> str:
    """Canonical address to listen on; `:port` is all IPv4, port 0 asks the kernel, `first-last` a range of ports.

    Errors: UnitError.
    """
    if text.startswith("unix:"):
        return _unix(text)
    if text.startswith("systemd:"):
        if not _SYSTEMD_NAME.fullmatch(text[8:]):
            raise UnitError(
                f"{text!r} does not name a socket", "write systemd:name, as in FileDescriptorName="
            )
        return text
    host, port = _split(text, _BIND_HINT)
    if host in ("", "*"):
        if host:
            raise UnitError(
                f"{text!r} is not an address", f'write ":{port}" for all IPv4, "[::]:{port}" for all IPv6'
            )
        host = "0.0.0.0"
    literal = _literal(host, text)
    if literal is None:
        hint = f"write 127.0.0.1:{port} or [::1]:{port}" if host == "localhost" else _BIND_HINT
        raise UnitError(f"{text!r} names a host; listeners are bound to IP addresses", hint)
    return _join(literal, _ports(port, text))


def parse_loopback(text: str) -> str:
    """Canonical `ip:port` that only this machine can reach. Errors: UnitError."""
    if text.startswith(("unix:", "systemd:")):
        raise UnitError(f"{text!r} is not ip:port", "write 127.0.0.1:9901")
    address = parse_bind(text)
    if _RANGE.search(address.rpartition(":")[2]):
        raise UnitError(f"{text!r} is a range of ports; expected one", "write 127.0.0.1:port or [::1]:port")
    host = address.rpartition(":")[0].strip("[]")
    if not ipaddress.ip_address(host).is_loopback:
        raise UnitError(
            f"{text!r} can be reached from other machines; only loopback is allowed here",
            "write 127.0.0.1:port or [::1]:port",
        )
    return address


def parse_socket(text: str) -> str:
    """Path of the control socket, `unix:` removed; may be relative. Errors: UnitError."""
    path = text.removeprefix("unix:")
    if not path or path.endswith("/"):
        raise UnitError(f"{text!r} is not the path of a socket", "write a path such as /run/nginy.sock")
    _check_path_length(path, CONTROL_PATH_MAX_BYTES)
    return path


def _unix(text: str) -> str:
    path = text[5:]
    if not path.startswith("/") or path.endswith("/"):
        raise UnitError(f"{text!r} is not an absolute path", "write unix:/path/to/socket")
    _check_path_length(path, SUN_PATH_MAX_BYTES)
    return text


def _check_path_length(path: str, max_bytes: int) -> None:
    if len(path.encode()) > max_bytes:
        raise UnitError(f"the path is longer than the {max_bytes} bytes that a unix socket can have here")


def _split(text: str, hint: str) -> tuple[str, str]:
    """Host (brackets removed from v6) and port as text; UnitError for anything that is not host:port."""
    if "://" in text:
        raise UnitError(
            f"{text!r} is a URL; expected an address", f"write it without {text.split('://')[0]}://"
        )
    if text.startswith("/"):
        raise UnitError(f"{text!r} is a path; expected an address", f"write unix:{text}")
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]:")
        if not bracket:
            raise UnitError(f"{text!r} is not an address", "write [v6]:port")
        if ":" not in host:
            raise UnitError(f"{text!r}: only IPv6 addresses stand in brackets", hint)
        return host, port
    host, colon, port = text.rpartition(":")
    if ":" in host:
        raise UnitError(
            f"{text!r} is not an address", f'write IPv6 in brackets and quotes: "[{host}]:{port}"'
        )
    if not colon:
        trouble = "has no host" if text.isdigit() else "has no port"
        raise UnitError(f"{text!r} {trouble}", f'write ":{text}"' if text.isdigit() else f"write {text}:port")
    return host, port


def _port(text: str, whole: str, least: int) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise UnitError(f"{whole!r}: expected a port number after the last colon, got {text!r}")
    if not least <= int(text) <= 65535:
        raise UnitError(f"{whole!r}: a port is {least} to 65535, got {int(text)}")
    return int(text)


def _ports(text: str, whole: str) -> int | str:
    """A port, or a range of them as `first-last`; a range of one is that port."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return _port(text, whole, least=0)
    first, last = (_port(port, whole, least=1) for port in found.groups())
    if last < first:
        raise UnitError(f"{whole!r}: the range ends before it begins", f"write {last}-{first}")
    if last - first >= DATAGRAM_BINDS_MAX:
        raise UnitError(f"{whole!r} has {last - first + 1} ports; at most {DATAGRAM_BINDS_MAX} are allowed")
    return first if first == last else f"{first}-{last}"


def parse_server_name(text: str) -> str:
    """A name of a TLS server in lower case, or `*.` and what is below it. Errors: UnitError."""
    name = text.lower()
    plain = name.removeprefix("*.")
    if not name.isascii():
        try:
            hint = f"write {name.encode('idna').decode()}"
        except UnicodeError:
            hint = "write it as the wire has it: letters, digits and hyphens"
        raise UnitError(f"{text!r} has letters beyond ASCII", hint)
    if "*" in plain:
        raise UnitError(f"{text!r}: an asterisk stands for all names below one", "write *.example.org")
    if plain.endswith("."):
        raise UnitError(f"{text!r} ends with a dot, which no client sends", f"write {name.rstrip('.')}")
    if not _SERVER_NAME.fullmatch(plain):
        raise UnitError(f"{text!r} is not the name of a server", "labels of a-z, 0-9, - and _, with dots between them")
    return name


def parse_network(text: str) -> str:
    """Canonical `address/bits` of a network; an address alone is a network of one. Errors: UnitError."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise UnitError(
            f"{text!r} is not an address or a network", "write 10.0.0.0/8, 10.0.0.1, 2001:db8::/32 or ::1"
        ) from None
    if "%" in text:
        raise UnitError(f"{text!r}: addresses with a zone (%) are not supported")
    bits = text.partition("/")[2]
    if bits and not (bits.isascii() and bits.isdigit()):
        raise UnitError(f"{text!r} has a mask; expected a number of bits", f"write {network}")
    if bits and ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
        raise UnitError(f"{text!r} has bits behind its prefix", f"write {network}")
    return str(network)


def parse_dns_name(text: str) -> str:
    """A name to ask a DNS server for, in small letters; `.` is the root. Errors: UnitError."""
    return text if text == "." else _name(text, text).rstrip(".")


def _literal(host: str, whole: str) -> str | None:
    """Canonical text of an IP address; None when host looks like a name."""
    if "%" in host:
        raise UnitError(f"{whole!r}: addresses with a zone (%) are not supported")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if ":" in host or re.fullmatch(r"[0-9.]+", host):
            raise UnitError(f"{whole!r}: {host!r} is not an IP address") from None
        return None


def _name(host: str, whole: str) -> str:
    name = host.lower()
    if not _HOST.fullmatch(name):
        hint = "" if name.isascii() else "write the xn-- form of the name"
        raise UnitError(f"{whole!r}: {host!r} is not a host name", hint)
    return name


def _join(host: str, port: int | str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
