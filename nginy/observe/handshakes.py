"""What only listeners with TLS count: handshakes, and why some failed. When certificates expire."""

from typing import TYPE_CHECKING, Any

from nginy._fast.door import HANDSHAKE_FAILURES
from nginy.observe.source import ListenerPicture, Picture

if TYPE_CHECKING:
    from nginy.observe.sheet import Sheet


def fill_handshakes(sheet: "Sheet", listener: ListenerPicture) -> None:
    """Put one listener on the sheet; nothing where clients speak in the clear."""
    counters, name = listener.handshakes, listener.name
    if counters is None:
        return
    sheet.add("nginy_tls_handshakes", (name, "full"), counters["handshakes"] - counters["resumed"])
    sheet.add("nginy_tls_handshakes", (name, "resumed"), counters["resumed"])
    for reason, count in zip(HANDSHAKE_FAILURES, counters["failures"], strict=True):
        sheet.add("nginy_tls_handshake_failures", (name, reason), count)


def fill_certificates(sheet: "Sheet", picture: Picture) -> None:
    """Those that listeners use now."""
    for name, expiry_s in picture.certificates.items():
        sheet.add("nginy_tls_certificate_expiry_seconds", (name,), expiry_s)


def handshake_tree(listener: ListenerPicture) -> dict[str, Any] | None:
    """The same as JSON values, without zeros in mappings. None where clients speak in the clear."""
    counters = listener.handshakes
    if counters is None:
        return None
    failures = zip(HANDSHAKE_FAILURES, counters["failures"], strict=True)
    return {
        "handshakes": counters["handshakes"],
        "resumed": counters["resumed"],
        "failures": {reason: count for reason, count in failures if count},
    }
