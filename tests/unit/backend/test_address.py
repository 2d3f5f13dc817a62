"""Canonical addresses taken apart and put together again."""

import pytest

from nginy.backend.address import Place, join_address, split_address


@pytest.mark.parametrize(
    ("address", "place", "is_name"),
    [
        ("192.0.2.1:80", Place("192.0.2.1", 80), False),
        ("[2001:db8::1]:443", Place("2001:db8::1", 443), False),
        ("db.example:5432", Place("db.example", 5432), True),
        ("localhost:0", Place("localhost", 0), True),
        ("unix:/run/a:b.sock", Place("", 0, "/run/a:b.sock"), False),
    ],
)
def test_split_address_canonical_forms(address: str, place: Place, is_name: bool) -> None:
    assert split_address(address) == place
    assert split_address(address).is_name is is_name


REFUSED = ["", ":80", "host", "host:", "host:x", "host:65536", "host:\u00b2", "2001:db8::1:80", "[]:80"]


@pytest.mark.parametrize("address", [*REFUSED, "unix:"])
def test_split_address_anything_else_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=".+"):
        split_address(address)


@pytest.mark.parametrize("address", ["192.0.2.1:80", "[2001:db8::1]:443"])
def test_join_address_is_the_way_back(address: str) -> None:
    place = split_address(address)
    assert join_address(place.host, place.port) == address
