"""What every kind of check tells with: an answer that is wrong, and times as a person reads them."""


class CheckError(Exception):
    """The backend answered, but not as it should. The text is the whole story."""


def duration(seconds: float) -> str:
    """0.00123 -> `1.2 ms`."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1000:.3g} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
