"""TLS: certificates that are there and fit their keys, names that are clear, and listeners that can have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginy.config.read import Met, Reader
from nginy.config.tree import Mapping, Problems
from nginy.config.words import hint_for
from nginy.model import Cert, FrontTls, Listener

if TYPE_CHECKING:
    from nginy.tls.files import Pair


def check_tls(reader: Reader) -> None:
    """Note what is wrong with certificates and with the listeners that name them. Reads files; blocks."""
    known = [entry for entry in reader.met if entry.model is Cert]
    if not known and not any(entry.model is FrontTls for entry in reader.met):
        return
    _check_named(reader, {str(entry.path[2]) for entry in known})
    pairs: dict[str, Pair] = {}
    try:
        for entry in known:
            if isinstance(entry.built, Cert):
                _read(entry, pairs, reader.problems)
        for entry in reader.met:
            if entry.model is Listener and isinstance(entry.values.get("tls"), FrontTls):
                _check_listener(entry, pairs, reader)
    finally:
        for pair in pairs.values():
            pair.wipe()


def _check_named(reader: Reader, known: set[str]) -> None:
    for cited in reader.cited:
        if cited.kind == "cert" and cited.value not in known:
            hint = hint_for("", cited.value, known) or "name it under `tls.certs`, with its files"
            reader.problems.add(cited.place, cited.path, f"there is no certificate {cited.value!r}", hint)


def _read(entry: Met, pairs: dict[str, Pair], problems: Problems) -> None:
    from nginy.tls.files import PairError, is_expired, read_pair  # not where nobody wants TLS

    try:
        pair = pairs[str(entry.path[2])] = read_pair(entry.built)
    except PairError as error:
        problems.add(entry.place_of(error.key), entry.path_of(error.key), str(error), error.hint)
        return
    if is_expired(pair):
        problems.warn(entry.place_of("cert"), entry.path_of("cert"), "this certificate has expired", "renew it")
    if not pair.names:
        message = "this certificate names no server, so that it is found by no name"
        problems.warn(entry.place_of("cert"), entry.path_of("cert"), message, "say who it is for, with `sni`")


def _check_listener(entry: Met, pairs: dict[str, Pair], reader: Reader) -> None:
    assert isinstance(entry.node, Mapping)
    place, path, problems = entry.node.keys["tls"], entry.path_of("tls"), reader.problems
    for key in ("preread", "routes") if entry.values.get("protocol", "tcp") == "tcp" else ():
        if entry.says(key):
            message = f"`{key}` goes by a TLS hello that passes through, and this listener answers it itself"
            problems.add(entry.node.keys[key], entry.path_of(key), message, "give it a `pool`, or leave out `tls`")
    if entry.values.get("protocol") == "udp":
        return
    front: FrontTls = entry.values["tls"]
    if entry.values.get("protocol") == "http" and front.alpn:
        message = "an HTTP listener agrees on http/1.1 by itself"
        problems.add(place, (*path, "alpn"), message, "remove `alpn`")
    if any(name not in pairs for name in front.certs):
        return
    _check_clashes(front, pairs, entry, problems)
    _try(front, pairs, entry, problems)


def _try(front: FrontTls, pairs: dict[str, Pair], entry: Met, problems: Problems) -> None:
    """All that only OpenSSL knows."""
    from nginy.tls.block import pack_all
    from nginy.tls.files import LIBRARY_HINT, PairError, wipe

    place, path = entry.place_of("tls"), entry.path_of("tls")
    listener = Listener.model_construct(tls=front, protocol="tcp")
    try:
        wipe(pack_all({"it": listener}, lambda _: 0, {name: pairs[name] for name in front.certs}, []))
    except PairError as error:
        problems.add(place, (*path, "client", error.key), str(error), error.hint)
    except OSError as error:
        problems.add(place, path, str(error.strerror), LIBRARY_HINT)
    except ValueError as error:
        message = f"OpenSSL does not take these settings: {error}"
        problems.add(place, path, message, "look at `ciphers`, `suites` and `client`")


def _check_clashes(front: FrontTls, pairs: dict[str, Pair], entry: Met, problems: Problems) -> None:
    """Of one listener; order decides on nothing but who is served without a name."""
    seen: dict[str, str] = {}
    for cert in dict.fromkeys(front.certs):
        for name in pairs[cert].names:
            first = seen.setdefault(name, cert)
            if first != cert:
                message = f"{name} is a name of both certificates {first} and {cert}"
                problems.add(entry.place_of("tls"), entry.path_of("tls"), message, "say with `sni` who is for what")
