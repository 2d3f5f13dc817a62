"""SipHash-2-4: the test vectors of its reference implementation."""

import pytest
from nginy._fast.testpolicy import siphash_of

KEY = bytes(range(16))
VECTORS = [
    "310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d", "2d7efbd796666785", "b7877127e09427cf",
    "8da699cd64557618", "cee3fe586e46c9cb", "37d1018bf50002ab", "6224939a79f5f593", "b0e4a90bdf82009e",
    "f3b9dd94c5bb5d7a", "a7ad6b22462fb3f4", "fbe50e86bc8f1e75", "903d84c02756ea14", "eef27a8e90ca23f7",
    "e545be4961ca29a1",
]


@pytest.mark.parametrize("n_bytes", range(len(VECTORS)))
def test_siphash_is_that_of_the_reference(n_bytes):
    assert siphash_of(KEY, bytes(range(n_bytes))) == int.from_bytes(bytes.fromhex(VECTORS[n_bytes]), "little")


def test_each_bit_of_key_and_text_matters():
    text = b"a backend"
    seen = {siphash_of(KEY, text)}
    for bit in range(128):
        seen.add(siphash_of((int.from_bytes(KEY, "little") ^ 1 << bit).to_bytes(16, "little"), text))
    for bit in range(8 * len(text)):
        seen.add(siphash_of(KEY, (int.from_bytes(text, "little") ^ 1 << bit).to_bytes(len(text), "little")))
    assert len(seen) == 1 + 128 + 8 * len(text)
