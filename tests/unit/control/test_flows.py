"""Flows: which bound is reached first, and what the tables may take."""

from typing import Any

import pytest

from nginy.config import parse_config
from nginy.control import flows
from nginy.control.flows import FlowBound, flow_bounds, table_bytes
from nginy.control.limits import Room
from nginy.model import Config

PORTS = (32768, 60999)
N_PORTS = 28232


def config(udp: dict[str, Any] | None = None, **options: Any) -> Config:
    pool: dict[str, Any] = {"backends": ["10.0.0.1:53", "10.0.0.2:53"], "udp": udp or {}}
    listeners = {
        "dns": {"bind": ":53", "protocol": "udp", "pool": "p", **options},
        "web": {"bind": ":80", "pool": "p"},
    }
    return parse_config({"pools": {"p": pool}, "listeners": listeners})


def bound(config: Config, flows: int = 1_000_000, workers: int = 4) -> FlowBound:
    room = Room(limit=0, workers=workers, n_sockets=0, sessions=16, pipes=0, flows=flows)
    [found] = flow_bounds(config, room, PORTS)
    return found


def test_only_udp_listeners_have_a_bound_and_it_is_the_table_of_all_workers() -> None:
    found = bound(config(session={"max": 1000}))
    assert (found.listener, found.flows, found.by) == ("dns", 4000, "session.max")


def test_the_lowest_bound_is_told() -> None:
    by_cap, by_limit, by_port = bound(config(limits={"sessions": 7})), bound(config(), flows=50), bound(config())
    assert (by_cap.flows, by_cap.by) == (7, "limits.sessions")
    assert (by_limit.flows, by_limit.by) == (200, "descriptors")
    assert (by_port.flows, by_port.by) == (N_PORTS, "source ports")


def test_clients_own_addresses_need_no_source_port_of_ours() -> None:
    assert bound(config(udp={"transparent": "on"})).by == "session.max"


def test_of_equal_bounds_the_one_that_was_configured_is_told() -> None:
    assert bound(config(session={"max": 10}, limits={"sessions": 40})).by == "session.max"


def test_a_table_is_paid_for_by_every_worker() -> None:
    entry = flows.ENTRY_BYTES + flows.FLOW_BYTES
    assert bound(config(session={"max": 1000})).table_bytes == 4000 * entry


@pytest.mark.parametrize(
    ("options", "further"),
    [
        ({"session": {"key": "source", "max": 100}}, flows.BINDING_BYTES),
        ({"session": {"max": 100}, "limits": {"flows_per_source": 5}}, flows.SOURCE_BYTES),
        ({"session": {"max": 100}, "limits": {"flow_rate_per_source": "5/s"}}, flows.SOURCE_BYTES),
    ],
)
def test_further_tables_are_counted_where_they_are_needed(options: dict[str, Any], further: int) -> None:
    plain = table_bytes(config(session={"max": 100}).listeners["dns"])
    assert table_bytes(config(**options).listeners["dns"]) == plain + 100 * (flows.ENTRY_BYTES + further)
