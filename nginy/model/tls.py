"""TLS: certificates by name, and how a listener uses them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from nginy.model.form import Form, Listed, Model, Switch, Text

AlpnName: TypeAlias = Annotated[str, Field(min_length=1, max_length=64)]
CERTS_MAX = 4096
NAMES_MAX = 65536


class Cert(Model):
    """A certificate and its key, in PEM."""

    cert: Annotated[str, Form("file")] = Field(description=(
        "File with the certificate, then those that lead to its authority; relative to the file of the configuration. "
        "It is looked at twice a second: one that has changed is used for new connections, and one that cannot be used "
        "is logged while the one before stays."))
    key: Annotated[str, Form("file")] = Field(description=(
        "File with its private key, without a password, and not for everybody to read."))
    sni: Annotated[tuple[Annotated[str, Form("server_name")], ...], Form(one_or_many=True), Listed] | None = Field(
        default=None, min_length=1, max_length=NAMES_MAX, strict=False, description=(
            "One or a list of server names that it is for, `app.example.org`, or `*.example.org` for one label in "
            "front. Left out: the names in the certificate."))


class Tls(Model):
    """Certificates that listeners name."""

    certs: dict[str, Cert] = Field(default={}, max_length=CERTS_MAX, description="Certificates and keys, by name.")


class ClientCerts(Model):
    """Certificates of clients. A plain string is `ca`."""

    short: ClassVar[str] = "ca"
    ca: Annotated[str, Form("file")] = Field(description="File with the authorities that may sign them, in PEM.")
    verify: Literal["required", "optional"] = Field(default="required", description=(
        "`optional`: a client without one is served; one that is not trusted is refused all the same."))


class FrontTls(Model):
    """TLS with clients. A plain string is the name of the one certificate."""

    short: ClassVar[str] = "certs"
    certs: Annotated[tuple[Annotated[str, Form("cert")], ...], Form(one_or_many=True), Listed] = Field(
        min_length=1, max_length=CERTS_MAX, strict=False, description=(
            "Names of certificates. A client gets the one for the server name it asks for: an exact name, else one "
            "with an asterisk; the first of the list when it asks for none, or for one that is not here."))
    strict: Switch = Field(default=False, description="`on`: a server name that no certificate is for is refused.")
    min: Literal["1.2", "1.3"] = Field(default="1.2", description="Oldest version of TLS, as a text.")
    ciphers: Text | None = Field(default=None, description=(
        "For TLS 1.2, as OpenSSL names them: `ECDHE-RSA-AES128-GCM-SHA256:…`. Left out: those with forward secrecy and "
        "authenticated encryption."))
    suites: Text | None = Field(default=None, description=(
        "For TLS 1.3, as OpenSSL names them: `TLS_AES_128_GCM_SHA256:…`. Left out: all three."))
    alpn: Annotated[tuple[AlpnName, ...], Form(one_or_many=True), Listed] = Field(
        default=(), max_length=3, strict=False, description=(
            "TCP: protocols that may be agreed on, ours in order; a client that offers only others is refused. Left "
            "out: none. HTTP: always `http/1.1`."))
    client: ClientCerts | None = Field(default=None, description="Left out: clients are not asked for certificates.")
