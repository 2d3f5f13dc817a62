"""TLS servers that say who they are, and clients that ask for a name."""

import select
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.tools.peers import Serve, echo
from tests.tools.sockets import connect, recv_exact


def certificate(folder: Path) -> tuple[Path, Path]:
    """A fresh key and a certificate of its own, as (certificate, key)."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "1", "-subj", "/CN=test"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return cert, key


def certificate_for(folder: Path, *names: str, signer: tuple[Path, Path] | None = None) -> tuple[Path, Path]:
    """A fresh key and a certificate for these names, as (certificate, key). signer: itself unless told otherwise."""
    stem = names[0].replace("*", "any")
    cert, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", f"/CN={names[0]}"]
    command += ["-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)]
    if signer is not None:
        command += ["-CA", str(signer[0]), "-CAkey", str(signer[1])]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return cert, key


def trusting(cert: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client's context that trusts this certificate alone, and speaks this version alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cert)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def tls_named(name: str, pair: tuple[Path, Path], alpn: tuple[str, ...] = ()) -> Serve:
    """Speak TLS, say the name and the server name that the client asked for, then echo."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.set_alpn_protocols(list(alpn))

    def serve(sock: socket.socket) -> None:
        asked: list[str] = []
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(*pair)
        own.set_alpn_protocols(list(alpn))
        own.sni_callback = lambda _ssl, given, _context: asked.append(given or "-")
        with own.wrap_socket(sock, server_side=True) as tls:
            tls.sendall(f"{name} {asked[0]} {tls.selected_alpn_protocol() or '-'}\n".encode())
            echo(tls)

    return serve


def tls_connect(address: str, name: str | None, alpn: tuple[str, ...] = ()) -> ssl.SSLSocket:
    """A client that has done its handshake. Errors: as a client sees them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(connect(address), server_hostname=name)


def who_serves(address: str, name: str | None, alpn: tuple[str, ...] = ()) -> str:
    """What the server that answers says of itself: its name, the name it was asked for, the protocol."""
    with tls_connect(address, name, alpn) as sock:
        said = b""
        while not said.endswith(b"\n"):
            said += recv_exact(sock, 1)
        return said.decode().strip()


def exchange(sock: ssl.SSLSocket, sent: bytes) -> bytes:
    """Send and receive at the same time, until as much came back; two threads must not share an SSL."""
    answer, rest = bytearray(), memoryview(sent)
    sock.setblocking(False)
    while len(answer) < len(sent):
        readable, writable, _ = select.select([sock], [sock] if rest else [], [], 15)
        assert readable or writable, "nothing moves"
        with suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            rest = rest[sock.send(rest[:16384]) :] if rest else rest
        with suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while len(answer) < len(sent):
                part = sock.recv(1 << 16)
                assert part, "the stream ended early"
                answer += part
    return bytes(answer)
