"""TLS with clients: what is agreed on, what is refused, and that nothing of the bytes inside is lost."""

import os
import random
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.flow.test_http import GET
from tests.tools.configs import Tree
from tests.tools.nginy_process import Nginy
from tests.tools.peers import Peer, echo, half_closing, source
from tests.tools.sockets import connect, recv_exact, sha256
from tests.tools.tls import certificate_for, exchange, trusting
from tests.tools.waiting import wait_until
from tests.tools.web import Message, Seen, Stream, answering, text

MIB = bytes(range(256)) * 4096
HANDSHAKE_S = 0.7
LISTENERS = ("web", "raw", "strict", "bulk", "half", "mutual", "ws")
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Site:
    """One nginy for the module: HTTP `web` and TCP `raw` (an echo) with the certificates of a folder."""

    def __init__(self, folder: Path, nginy: Nginy, seen: Seen) -> None:
        self.folder, self.nginy, self.seen = folder, nginy, seen
        self.where = {name: nginy.address(name) for name in LISTENERS}

    @property
    def cert(self) -> Path:
        return self.folder / "one.test.pem"

    def connect(
        self, listener: str = "web", name: str | None = "one.test", context: ssl.SSLContext | None = None,
        **more: object,
    ) -> ssl.SSLSocket:
        context = context or trusting(self.cert)
        context.check_hostname = name is not None
        return context.wrap_socket(connect(self.where[listener]), server_hostname=name, **more)  # type: ignore[arg-type]

    def failures(self, listener: str) -> Tree:
        found: Tree = self.nginy.listener(listener)["tls"]["failures"]
        return found


def upgrading(sock: socket.socket) -> None:
    """Agree to another protocol, which is an echo."""
    stream = Stream(sock)
    stream.head()
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n" + stream.rest)
    echo(sock)


def tls_config(folder: Path, backends: dict[str, str], workers: int = 2) -> Tree:
    def listener(pool: str, **more: object) -> Tree:
        return {"bind": "127.0.0.1:0", "pool": pool, "tls": {"certs": ["one", "wild"]}, **more}

    for names in (("one.test",), ("*.wild.test", "wild.test")):
        certificate_for(folder, *names)
    return {
        "runtime": {"workers": workers, "drain": "2s"},
        "tls": {"certs": {
            "one": {"cert": str(folder / "one.test.pem"), "key": str(folder / "one.test.key")},
            "wild": {"cert": str(folder / "any.wild.test.pem"), "key": str(folder / "any.wild.test.key")}}},
        "defaults": {"timeouts": {"handshake": f"{HANDSHAKE_S}s"}},
        "pools": {name: {"backends": [address]} for name, address in backends.items()},
        "listeners": {
            "web": listener("web", protocol="http"),
            "raw": listener("echo"),
            "strict": listener("echo", tls={
                "certs": ["one", "wild"], "strict": "on", "min": "1.3", "alpn": ["a", "b"]}),
            "bulk": listener("source"),
            "half": listener("half"),
            "mutual": listener("echo", tls={"certs": ["one", "wild"], "client": str(folder / "one.test.pem")}),
            "ws": listener("ws", protocol="http"),
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, seen = tmp_path_factory.mktemp("certs"), Seen()

    def say(request: Message) -> bytes:
        return text(sha256(request.body).encode() if request.body else b"hello")

    serves = {
        "web": answering(say, seen), "echo": echo, "source": source(MIB * 16),
        "half": half_closing(b"answer", lambda _: None), "ws": upgrading,
    }  # fmt: skip
    peers = {name: Peer(serve) for name, serve in serves.items()}
    nginy = Nginy(tls_config(folder, {name: peer.address for name, peer in peers.items()}))
    try:
        yield Site(folder, nginy.start(), seen)
        assert nginy.stop() == 0
        assert "Traceback" not in nginy.log()
    finally:
        nginy.clean_up()
        for peer in peers.values():
            peer.close()


# ---- what is agreed on ----


@pytest.mark.parametrize("version", VERSIONS)
def test_http_is_served_in_both_versions_and_backends_hear_of_https(site: Site, version: str) -> None:
    with site.connect(context=trusting(site.cert, VERSIONS[version])) as sock:
        stream = Stream(sock)
        for _ in range(3):
            sock.sendall(GET)
            assert stream.message().body == b"hello"
        assert sock.version() == f"TLSv{version}"
    assert site.seen.requests[-1].get("x-forwarded-proto") == "https"


def test_curl_gets_a_page_and_trusts_it(site: Site) -> None:
    port = site.where["web"].rpartition(":")[2]
    command = ["curl", "-sS", "--cacert", str(site.cert), "--resolve", f"one.test:{port}:127.0.0.1",
               f"https://one.test:{port}/", "--data-binary", "@-", "-w", "%{http_version}"]  # fmt: skip
    done = subprocess.run(command, input=MIB, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout.decode()) == (0, sha256(MIB) + "1.1"), done.stderr


@pytest.mark.parametrize("asked, served", [
    ("one.test", "one.test"), ("ONE.test", "one.test"), ("a.wild.test", "*.wild.test"), ("wild.test", "*.wild.test"),
    ("a.b.wild.test", "one.test"), ("other.test", "one.test"), (None, "one.test"),
])  # fmt: skip
def test_the_server_name_chooses_the_certificate(site: Site, asked: str | None, served: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(connect(site.where["raw"]), server_hostname=asked) as sock:
        der = sock.getpeercert(binary_form=True)
    stem = served.replace("*", "any")
    assert der == ssl.PEM_cert_to_DER_cert((site.folder / f"{stem}.pem").read_text())


def test_a_strict_listener_refuses_names_that_are_not_its_own(site: Site) -> None:
    context = trusting(site.cert)
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        site.connect("strict", "other.test", context)
    wait_until(lambda: site.failures("strict").get("name") == 1, "it is counted")
    with site.connect("strict", "one.test") as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


def test_a_version_that_is_too_old_is_refused(site: Site) -> None:
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        site.connect("strict", context=trusting(site.cert, VERSIONS["1.2"]))
    wait_until(lambda: site.failures("strict").get("version") == 1, "it is counted")


def test_protocols_are_agreed_on_in_our_order_or_not_at_all(site: Site) -> None:
    def agreed(listener: str, *offered: str) -> str | None:
        context = trusting(site.cert)
        context.set_alpn_protocols(list(offered))
        with site.connect(listener, context=context) as sock:
            return sock.selected_alpn_protocol()

    assert [agreed("strict", "b", "a"), agreed("strict", "x", "b"), agreed("strict")] == ["a", "b", None]
    assert [agreed("web", "h2", "http/1.1"), agreed("raw", "h2")] == ["http/1.1", None]
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        agreed("web", "h2")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["one.test", "a.wild.test"])
def test_a_session_is_resumed_by_every_worker(site: Site, version: str, name: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = VERSIONS[version]
    session = None
    reused = []
    for _ in range(24):
        with context.wrap_socket(connect(site.where["web"]), server_hostname=name, session=session) as sock:
            sock.sendall(GET)
            Stream(sock).message()
            reused.append(sock.session_reused)
            session = session or sock.session
    assert reused == [False] + [True] * 23


def test_a_client_cannot_ask_for_another_handshake_inside_its_connection(site: Site) -> None:
    host, port = site.where["raw"].split(":")
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"]
    done = subprocess.run(command, input=b"R\n", capture_output=True, timeout=30)
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in (done.stdout + done.stderr).lower() or b"handshake failure" in done.stderr.lower()
    with site.connect("raw") as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


# ---- bytes ----


@pytest.mark.parametrize("version", VERSIONS)
def test_bulk_passes_both_ways_unchanged(site: Site, version: str) -> None:
    with site.connect("raw", context=trusting(site.cert, VERSIONS[version])) as sock:
        assert sha256(exchange(sock, MIB * 8)) == sha256(MIB * 8)


def test_bodies_pass_both_ways_in_pieces_of_every_size(site: Site, seed: int) -> None:
    content = MIB * 3 + b"tail"
    with site.connect() as sock:
        stream = Stream(sock)
        for piece in (1_000, 16_384, 16_385, 100_000):
            sock.sendall(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(content)}\r\n\r\n".encode())
            for at in range(0, len(content), piece):
                sock.sendall(content[at : at + piece])
            assert stream.message().body.decode() == sha256(content)


def test_a_source_without_an_end_of_its_own_ends_with_close_notify(site: Site) -> None:
    context = trusting(site.cert)
    with site.connect("bulk", context=context, suppress_ragged_eofs=False) as sock:
        got = b"".join(iter(lambda: sock.recv(1 << 20), b""))
    assert sha256(got) == sha256(MIB * 16)


def test_a_client_that_reads_late_loses_nothing_and_holds_little(site: Site) -> None:
    def passed() -> int:
        return int(site.nginy.listener("bulk")["bytes_out"])

    before = last = passed()
    with site.connect("bulk", suppress_ragged_eofs=False) as sock:

        def is_stuck() -> bool:
            nonlocal last
            was, last = last, passed()
            return was == last > before

        wait_until(is_stuck, "everything between is full")
        assert last - before < 16 * len(MIB)
        assert sha256(b"".join(iter(lambda: sock.recv(1 << 20), b""))) == sha256(MIB * 16)


def test_an_end_of_one_direction_is_passed_on_while_the_other_goes_on(site: Site) -> None:
    context = trusting(site.cert)
    context.check_hostname = True
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="one.test")
    with connect(site.where["half"]) as sock:

        def until(step: Callable[[], object]) -> object:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    incoming.write(sock.recv(65536) or b"")
                finally:
                    if outgoing.pending:
                        sock.sendall(outgoing.read())

        until(tls.do_handshake)
        tls.write(b"question")
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()            # our close_notify is out, the answer is not in
        sock.sendall(outgoing.read())
        raw = b""
        while got := sock.recv(65536):
            raw += got
    # 1.3: the answer and the last word are records of application data, and there is more than a last word
    assert len(raw) > 2 * (5 + 2 + 17)
    wait_until(lambda: site.nginy.reasons("half") == {"closed": 1}, "a clean end")


def test_another_protocol_passes_both_ways_after_an_upgrade(site: Site) -> None:
    with site.connect("ws") as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        stream = Stream(sock)
        assert stream.head().status == 101
        assert stream.rest == b""
        assert sha256(exchange(sock, MIB * 2)) == sha256(MIB * 2)


@pytest.mark.parametrize("name", ["one.test", "a.wild.test"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_has_to_show_a_certificate_whatever_name_it_asks_for(site: Site, version: str, name: str) -> None:
    def ask(pair: tuple[Path, Path] | None) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = VERSIONS[version]
        if pair is not None:
            context.load_cert_chain(*pair)
        with context.wrap_socket(connect(site.where["mutual"]), server_hostname=name) as sock:
            sock.sendall(b"x")
            return sock.recv(1)

    folder = site.folder / f"clients-{version}-{name}"
    folder.mkdir()
    good = certificate_for(folder, "friend.test", signer=(site.cert, site.folder / "one.test.key"))
    assert ask(good) == b"x"
    for pair in (None, certificate_for(folder, "stranger.test")):
        before = site.failures("mutual").get("client_cert", 0)
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            ask(pair)
        wait_until(lambda was=before: site.failures("mutual").get("client_cert", 0) == was + 1, "it is counted")


# ---- what is no handshake ----


def hello() -> bytes:
    context, out = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.MemoryBIO()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="one.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


@pytest.mark.parametrize("kind, said", [
    ("http", GET), ("no_tls", b"SSH-2.0-OpenSSH_9.2\r\n" * 20), ("no_tls", bytes(range(128, 256)) * 8),
    ("other", b"\x16\x03\x01\x40\x01" + bytes(0x4001)),
])  # fmt: skip
def test_what_is_no_tls_is_told_apart_and_refused(site: Site, kind: str, said: bytes) -> None:
    before = site.failures("raw")
    with connect(site.where["raw"]) as sock:
        sock.sendall(said)
        with suppress(ConnectionResetError):
            while sock.recv(4096):
                pass
    wait_until(lambda: sum(site.failures("raw").values()) == sum(before.values()) + 1, "it is counted")
    if kind != "other":
        assert site.failures("raw").get(kind, 0) == before.get(kind, 0) + 1


def test_a_hello_that_ends_at_any_byte_is_nobodys_end_but_its_own(site: Site) -> None:
    whole = hello()
    before = site.failures("raw").get("gone", 0)
    for n_bytes in range(len(whole)):
        with connect(site.where["raw"]) as sock:
            sock.sendall(whole[:n_bytes])
    wait_until(lambda: site.failures("raw").get("gone", 0) == before + len(whole), "all have gone")
    with connect(site.where["raw"]) as sock:
        for at in range(len(whole)):
            sock.sendall(whole[at : at + 1])
        assert recv_exact(sock, 1) == b"\x16"


def test_changed_bytes_of_a_hello_never_end_a_worker(site: Site, seed: int) -> None:
    chance, whole = random.Random(seed), hello()
    pids = site.nginy.worker_pids()
    for _ in range(300):
        changed = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        with connect(site.where["raw"]) as sock:
            sock.sendall(changed)
    with site.connect("raw") as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    assert site.nginy.worker_pids() == pids


def test_a_handshake_has_its_time_and_no_more(site: Site) -> None:
    with connect(site.where["raw"]) as silent_one, connect(site.where["raw"]) as slow:
        slow.sendall(hello()[:60])
        for sock in (silent_one, slow):
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
    assert site.failures("raw").get("timeout", 0) >= 2
    assert site.nginy.reasons("raw").get("handshake_timeout", 0) >= 2


def test_an_end_without_a_last_word_cuts_off_what_goes_until_the_end(site: Site) -> None:
    before = site.nginy.reasons("raw").get("front_reset", 0)
    sock = site.connect("raw")
    sock.sendall(b"half of it")
    assert recv_exact(sock, 10) == b"half of it"
    raw = socket.socket(fileno=sock.detach())
    raw.close()
    wait_until(lambda: site.nginy.reasons("raw").get("front_reset", 0) == before + 1, "it is no clean end")


# ---- certificates that change ----


def test_a_changed_certificate_is_served_without_a_failed_request(site: Site) -> None:
    old = trusting(site.cert)
    stop, failures = threading.Event(), []

    def ask() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not stop.is_set():
            try:
                with context.wrap_socket(connect(site.where["web"]), server_hostname="one.test") as sock:
                    sock.sendall(GET)
                    assert Stream(sock).message().body == b"hello"
            except Exception as error:
                failures.append(error)

    asker = threading.Thread(target=ask)
    with site.connect("raw", context=old) as living:
        asker.start()
        fresh = site.folder / "fresh"
        fresh.mkdir()
        certificate_for(fresh, "one.test")
        for kind in ("pem", "key"):     # one after the other, so that they do not fit for a moment
            (fresh / f"one.test.{kind}").replace(site.folder / f"one.test.{kind}")

        def is_new() -> bool:
            try:
                with site.connect("raw"):
                    return True
            except ssl.SSLCertVerificationError:
                return False

        wait_until(is_new, "the new one is served")
        living.sendall(b"still")
        assert recv_exact(living, 5) == b"still"
        stop.set()
        asker.join()
    assert not failures


def test_a_broken_certificate_leaves_the_one_before_in_place(site: Site) -> None:
    good = site.cert.read_bytes()
    try:
        site.cert.write_bytes(good[:100])
        wait_until(lambda: "certificates refused" in site.nginy.log(), "it is told")
        with site.connect("raw", context=ssl_of(good)) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
    finally:
        site.cert.write_bytes(good)


def ssl_of(pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem.decode())
    return context


def test_a_worker_that_is_replaced_has_the_certificates_and_the_tickets(site: Site) -> None:
    context = trusting(site.cert, VERSIONS["1.3"])
    with site.connect(context=context) as sock:
        sock.sendall(GET)
        Stream(sock).message()
        session = sock.session
    before = site.nginy.worker_pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(now := site.nginy.worker_pids()) == 2 and not set(now) & set(before) and all(
        worker["state"] == "serving" for worker in site.nginy.workers()), "both are new")
    with site.connect(context=context, session=session) as sock:
        sock.sendall(GET)
        assert Stream(sock).message().body == b"hello"
        assert sock.session_reused
