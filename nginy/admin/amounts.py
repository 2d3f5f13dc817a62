"""Amounts as a person reads them."""

_STEP = 1024
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SPANS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def read_bytes(count: int) -> str:
    """1536 -> `1.5 KiB`."""
    amount, place = float(count), 0
    # 1023.95 would be written as 1024.0
    while amount >= _STEP - 0.05 and place < len(_SIZES) - 1:
        amount, place = amount / _STEP, place + 1
    return f"{amount:.1f} {_SIZES[place]}" if place else f"{count} B"


def read_count(count: int) -> str:
    """1234567 -> `1,234,567`."""
    return f"{count:,}"


def read_duration(seconds: float) -> str:
    """The two largest units: 3723 -> `1h 2m`; below a second in ms."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    left_s = int(seconds)
    parts: list[tuple[int, str]] = []
    for unit, size_s in _SPANS:
        amount, left_s = divmod(left_s, size_s)
        if amount or parts:
            parts.append((amount, unit))
    return " ".join(f"{amount}{unit}" for amount, unit in parts[:2] if amount)
