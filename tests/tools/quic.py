"""QUIC servers that say who they are, and clients that ask them."""

import asyncio
import datetime
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.asyncio import connect as quic_connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST_NAME = "backend.test"
PROTOCOL = "who"
CID_BYTES = 8
SERVER_ID_AT = 1
ASK_S = 10.0


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate for HOST_NAME with its key behind it, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST_NAME)])
    now = datetime.datetime.now(datetime.UTC)
    build = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    build = build.serial_number(x509.random_serial_number())
    build = build.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    build = build.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST_NAME)]), critical=False)
    forms = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "backend.pem"
    certificate = build.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    file.write_bytes(certificate + key.private_bytes(*forms))
    return file


def encode_server_id(connection: QuicConnection, server_id: bytes) -> None:
    """Put it into every connection id that this end issues, from its first byte SERVER_ID_AT on."""

    def encoded(cid: bytes) -> bytes:
        return cid[:SERVER_ID_AT] + server_id + cid[SERVER_ID_AT + len(server_id) :]

    replenish = connection._replenish_connection_ids

    def replenish_encoded() -> None:
        known = len(connection._host_cids)
        replenish()
        for issued in connection._host_cids[known:]:
            issued.cid = encoded(issued.cid)

    first = connection._host_cids[0]
    first.cid = connection.host_cid = connection._local_initial_source_connection_id = encoded(first.cid)
    connection._replenish_connection_ids = replenish_encoded  # type: ignore[method-assign]


class QuicBackend:
    """A server in a thread of its own: the answer to each stream is its name, a blank, and what was asked."""

    def __init__(self, name: bytes, certificate: Path, server_id: bytes = b"") -> None:
        self.name = name
        self.server_id = server_id
        self.address = ""
        self._certificate = certificate
        self._is_up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._is_up.wait(ASK_S), "the QUIC server did not start"

    def close(self) -> None:
        """End it, and every connection it has."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._serve())
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self) -> Any:
        configuration = QuicConfiguration(
            is_client=False, alpn_protocols=[PROTOCOL], connection_id_length=CID_BYTES, max_datagram_size=1280
        )
        configuration.load_cert_chain(self._certificate)
        server = await serve(
            "127.0.0.1", 0, configuration=configuration, create_protocol=self._protocol, stream_handler=self._on_stream
        )
        self.address = "{}:{}".format(*server._transport.get_extra_info("sockname"))
        self._is_up.set()
        return server

    def _protocol(self, connection: QuicConnection, stream_handler: Any = None) -> QuicConnectionProtocol:
        if self.server_id:
            encode_server_id(connection, self.server_id)
        return QuicConnectionProtocol(connection, stream_handler=stream_handler)

    def _on_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._answer(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read()
        writer.write(self.name + b" " + question)
        writer.write_eof()


@asynccontextmanager
async def quic_client(port: int, certificate: Path) -> AsyncIterator[QuicConnectionProtocol]:
    """A connection to this port of 127.0.0.1, its handshake done. TimeoutError when it does not come to that."""
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=[PROTOCOL], server_name=HOST_NAME, max_datagram_size=1280,
        cafile=str(certificate), verify_mode=ssl.CERT_REQUIRED,
    )  # fmt: skip
    async with asyncio.timeout(ASK_S) as limit:
        async with quic_connect("127.0.0.1", port, configuration=configuration) as client:
            limit.reschedule(None)
            yield client


async def ask(client: QuicConnectionProtocol, question: bytes) -> bytes:
    """The name of the server that answers. AssertionError for another answer, TimeoutError without one."""
    async with asyncio.timeout(ASK_S):
        reader, writer = await client.create_stream()
        writer.write(question)
        writer.write_eof()
        name, _, rest = (await reader.read()).partition(b" ")
    assert rest == question
    return name
