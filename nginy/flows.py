"""The workers' flow table for programs of your own: bounded, with a keyed hash, never pushed out of shape by a flood.

    import time
    from nginy import FlowTable

    table = FlowTable(100_000)
    key = ("192.0.2.7", 53124, "198.51.100.1", 53)      # client address and port, local address and port
    evicted = table.add(key, 7, time.monotonic())       # (key, number) of the flow that made room, or None
    table.assure(key)                                   # it was answered: nothing evicts it any more
    table.get(key)                                      # 7
    table.expire(time.monotonic(), idle_s=30)           # [(key, number), …] of those that were silent

One look-up costs what reading the tuple costs. `pack` reads keys once; `FlowTable.get_packed` then looks thousands of
them up at the speed of a worker.
"""

from nginy._fast.table import KEY_BYTES, MAX_FLOWS, FlowKey, FlowTable, pack

__all__ = ["KEY_BYTES", "MAX_FLOWS", "FlowKey", "FlowTable", "pack"]
