"""Certificates in a configuration: files that are there and fit, names that are clear, listeners that can have them."""

import os
import subprocess
from pathlib import Path

import pytest

from nginy.config import load_config
from nginy.errors import ConfigError, ConfigProblem
from tests.tools.tls import certificate_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certs")
    for names in (("one.test",), ("two.test", "one.test"), ("*.wild.test",)):
        certificate_for(made, *names)
    (made / "junk.pem").write_text("junk")
    (made / "open.key").write_bytes((made / "one.test.key").read_bytes())
    os.chmod(made / "open.key", 0o644)
    locked = ["openssl", "pkey", "-in", str(made / "one.test.key"), "-aes128", "-passout", "pass:x"]
    subprocess.run([*locked, "-out", str(made / "locked.key")], check=True, capture_output=True, timeout=30)
    os.chmod(made / "locked.key", 0o600)
    return made


def problems_of(folder: Path, certs: str, listener: str) -> tuple[list[ConfigProblem], list[ConfigProblem]]:
    """Errors and warnings."""
    path = folder / "case.yaml"
    path.write_text(
        f"tls:\n  certs:\n{certs}\npools: {{p: {{backends: ['a:1']}}}}\n"
        f"listeners:\n  l: {{bind: ':0', pool: p, {listener}}}\n"
    )
    warnings: list[ConfigProblem] = []
    try:
        load_config(path, warnings=warnings)
    except ConfigError as error:
        return list(error.problems), warnings
    return [], warnings


ONE = "    one: {cert: one.test.pem, key: one.test.key}"
TWO = "    two: {cert: two.test.pem, key: two.test.key}"


@pytest.mark.parametrize("certs, listener, path, says", [
    ("    one: {cert: gone.pem, key: one.test.key}", "tls: one", "tls.certs.one.cert", "cannot be read"),
    ("    one: {cert: junk.pem, key: one.test.key}", "tls: one", "tls.certs.one.cert", "holds no certificate"),
    ("    one: {cert: one.test.pem, key: gone.key}", "tls: one", "tls.certs.one.key", "cannot be read"),
    ("    one: {cert: one.test.pem, key: two.test.key}", "tls: one", "tls.certs.one.key", "is not the key of"),
    ("    one: {cert: one.test.pem, key: open.key}", "tls: one", "tls.certs.one.key", "chmod o-r"),
    ("    one: {cert: one.test.pem, key: locked.key}", "tls: one", "tls.certs.one.key", "without a password"),
    ("    one: {cert: one.test.pem}", "tls: one", "tls.certs.one.key", "missing"),
    (ONE, "tls: onee", "listeners.l.tls", "did you mean `one`"),
    (ONE + "\n" + TWO, "tls: {certs: [one, two]}", "listeners.l.tls", "one.test is a name of both"),
    (ONE, "tls: {certs: one, ciphers: NONSENSE}", "listeners.l.tls", "OpenSSL does not take"),
    (ONE, "tls: {certs: one, client: junk.pem}", "listeners.l.tls", "OpenSSL does not take"),
    (ONE, "tls: {certs: one, client: gone.pem}", "listeners.l.tls.client.ca", "cannot be read"),
    (ONE, "tls: one, protocol: udp", "listeners.l.tls", "is for TCP"),
    (ONE, "tls: one, preread: tls_hello", "listeners.l.preread", "answers it itself"),
    (ONE, "protocol: http, tls: {certs: one, alpn: h2}", "listeners.l.tls.alpn", "by itself"),
    (ONE, "tls: {certs: one, min: '1.1'}", "listeners.l.tls.min", "1.2"),
    (ONE, "tls: {cert: one}", "listeners.l.tls", "it is called `certs` here"),
])  # fmt: skip
def test_a_mistake_is_told_where_it_is(folder: Path, certs: str, listener: str, path: str, says: str) -> None:
    problems, _ = problems_of(folder, certs, listener)
    found = [problem for problem in problems if problem.path.startswith(path)]
    assert found, problems
    assert any(says in f"{problem.message} {problem.hint}" for problem in found), found
    assert all(problem.line for problem in found)


def test_what_is_right_is_taken(folder: Path) -> None:
    more = f"{ONE}\n    wild: {{cert: any.wild.test.pem, key: any.wild.test.key}}"
    listener = "tls: {certs: [one, wild], strict: on, min: '1.3', client: one.test.pem}"
    assert problems_of(folder, more, listener) == ([], [])


def test_names_may_be_told_in_place_of_the_certificates_own(folder: Path) -> None:
    certs = ONE + "\n" + TWO.replace("key: two.test.key", "key: two.test.key, sni: [two.test]")
    assert problems_of(folder, certs, "tls: {certs: [one, two]}") == ([], [])


def test_a_certificate_that_has_expired_is_a_warning(folder: Path) -> None:
    command = ["openssl", "x509", "-in", str(folder / "one.test.pem"), "-signkey", str(folder / "one.test.key")]
    command += ["-days", "-1", "-out", str(folder / "old.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    problems, warnings = problems_of(folder, "    one: {cert: old.pem, key: one.test.key}", "tls: one")
    assert problems == []
    assert [(warning.path, warning.message) for warning in warnings] == [
        ("tls.certs.one.cert", "this certificate has expired")]
