"""The two readings of a path, in front of an unreadable page, against what is said plainly."""

import re
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st
from nginy._fast.testpolicy import bytes_of_reading, readings_of

from tests.tools.guarded import Guarded

PIECES = st.sampled_from(
    [b"/", b"/", b"a", b".", b"..", b"%2f", b"%2E", b"%41", b";", b"\\", b"%5C", b"%", b"%0", b"%00", b"bcdefgh"])
PATHS = st.lists(PIECES, max_size=12).map(lambda pieces: b"/" + b"".join(pieces))


@given(PATHS)
def test_readings_are_what_a_plain_reader_makes_of_them(path: bytes) -> None:
    with Guarded(4096) as room:
        is_open, strict, lenient = readings_of(room.put(path), len(path))
    is_broken = re.search(rb"%(?![0-9a-fA-F]{2})|%00", path)
    plain = re.sub(rb"/+", b"/", re.sub(rb";[^/]*", b"", unquote_to_bytes(path).replace(b"\\", b"/")))
    has_dots = {b".", b".."} & set(plain.split(b"/"))
    assert lenient == (None if is_broken or has_dots else plain)
    kept = re.sub(rb"%2f", b"%252F", path, flags=re.I)
    assert strict == (None if is_broken else unquote_to_bytes(kept))
    assert is_open == bool(re.search(rb"[%;\\]|/[/.]", path))
    assert is_open or strict == lenient == path


@given(st.lists(st.sampled_from([b"/", b"a", b"%2f", b"%41", b"%25"]), max_size=12))
def test_bytes_of_a_reading_are_counted_in_the_path_as_it_came(pieces: list[bytes]) -> None:
    path = b"".join(pieces)
    lengths = [3 if piece == b"%2f" else 1 for piece in pieces]
    for i in range(len(pieces) + 1):
        assert bytes_of_reading(path, sum(lengths[:i])) == len(b"".join(pieces[:i]))


def test_each_place_of_a_sign_is_seen() -> None:
    for n in range(1, 40):
        with Guarded(4096) as room:
            plain = b"/" + b"a" * (n - 1)
            assert not readings_of(room.put(plain), n)[0]
            for sign in (b"%", b";", b"\\", b"//", b"/."):
                for at in range(1, n - len(sign) + 1):
                    path = plain[:at] + sign + plain[at + len(sign) :]
                    assert readings_of(room.put(path), n)[0], path
