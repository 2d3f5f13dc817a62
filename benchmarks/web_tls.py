"""The proxies of HTTP with TLS in front: the same key, the same suite, no session taken up again."""

import subprocess
from pathlib import Path

from benchmarks.proxy import Proxy
from benchmarks.web_proxies import HaproxyHttp, NginxHttp, NginyHttp

SUITE = "TLS_AES_128_GCM_SHA256"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A new key on P-256 and its certificate, as (certificate, key)."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=bench"]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


class HaproxyTls(HaproxyHttp):
    """One file for both."""

    def values(self) -> dict[str, object]:
        cert, key = make_certificate(self.folder)
        both = self.folder / "both.pem"
        both.write_text(cert.read_text() + key.read_text())
        binds = [
            f"    bind {host}:{self.port} backlog 4096 ssl crt {both} ciphersuites {SUITE}" for host in self.shape.hosts
        ]
        return super().values() | {"binds": "\n".join(binds)}


class NginxTls(NginxHttp):
    """Its suite is a command for OpenSSL."""

    def values(self) -> dict[str, object]:
        cert, key = make_certificate(self.folder)
        lines = [f"        listen {host}:{self.port} ssl reuseport backlog=4096;" for host in self.shape.hosts]
        lines += [f"        ssl_certificate {cert};", f"        ssl_certificate_key {key};"]
        lines += ["        ssl_protocols TLSv1.2 TLSv1.3;", f"        ssl_conf_command Ciphersuites {SUITE};"]
        return super().values() | {"binds": "\n".join(lines)}


class NginyTls(NginyHttp):
    """This project."""

    def values(self) -> dict[str, object]:
        cert, key = make_certificate(self.folder)
        listener = (
            f'  front: {{bind: "{self.shape.hosts[0]}:{self.port}", protocol: http, pool: back,'
            f' tls: {{certs: bench, suites: "{SUITE}"}}}}'
        )
        certs = f'tls: {{certs: {{bench: {{cert: "{cert}", key: "{key}"}}}}}}'
        return super().values() | {"listeners": f"{listener}\n{certs}"}


ALL: tuple[type[Proxy], ...] = (HaproxyTls, NginxTls, NginyTls)
