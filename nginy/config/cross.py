"""What no single mapping can tell: references, backends that are given twice, sums. The rest is called from here.

Works on what could be read, so that these problems show in the same pass as all others.
"""

from __future__ import annotations

from nginy.config.binds import check_clashes
from nginy.config.filters import check_filters
from nginy.config.flows import check_flows
from nginy.config.groups import check_groups
from nginy.config.loops import check_loops
from nginy.config.policies import check_policies
from nginy.config.read import Met, Reader
from nginy.config.routes import check_routes
from nginy.config.secrets import check_sticky
from nginy.config.shadows import check_shadows
from nginy.config.sites import check_sites
from nginy.config.tls import check_tls
from nginy.config.transport import check_binds, check_keys
from nginy.config.tree import Mapping, Path, Problems
from nginy.config.words import hint_for
from nginy.model import BACKENDS_MAX, AccessLog, Backend, Listener

NAMED_MOST = 3


def check_all(root: Mapping, reader: Reader) -> None:
    """Note every problem between mappings. reader: has read the whole tree, root."""
    _check_pool_names(root, reader)
    _check_backends(reader.met, reader.problems)
    _check_tcp(reader.met, reader.problems)
    check_keys(reader.met, reader.problems)
    check_groups(reader.met, reader.problems)
    check_routes(reader.met, reader.problems)
    check_sites(reader.met, reader.problems)
    check_filters(reader.met, reader.problems)
    check_shadows(reader.met, reader.problems)
    check_flows(reader.met, reader.problems)
    check_policies(reader.met, reader.problems)
    check_tls(reader)
    check_sticky(reader.met, reader.problems)
    _check_access_log(reader.met, reader.problems)
    if check_binds(reader.cited, reader.met, reader.problems):
        check_clashes(reader)
        check_loops(reader.met, reader.problems)


def _check_pool_names(root: Mapping, reader: Reader) -> None:
    pools = root.entries.get("pools")
    if not isinstance(pools, Mapping):
        return
    for cited in reader.cited:
        if cited.kind == "pool" and cited.value not in pools.entries:
            hint = hint_for("", cited.value, pools.entries) or _list_of("pools", list(pools.entries))
            reader.problems.add(cited.place, cited.path, f"there is no pool {cited.value!r}", hint)


def _list_of(what: str, names: list[str]) -> str:
    return f"{what}: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def _check_tcp(met: list[Met], problems: Problems) -> None:
    """No TCP options for a listener that has no TCP."""
    for entry in met:
        if entry.model is not Listener or entry.values.get("protocol") == "udp":
            continue
        if "tcp" not in entry.values or not entry.values["tcp"].model_fields_set:
            continue
        if all(bind.startswith("unix:") for bind in entry.values.get("bind", ("",))):
            message = "every bind of this listener is a unix socket: there is no TCP to tune"
            problems.add(entry.place_of("tcp"), entry.path_of("tcp"), message, "remove `tcp`")


def _check_access_log(met: list[Met], problems: Problems) -> None:
    """A format of requests alone, and listeners that have none: of these nothing is written."""
    others = [entry for entry in met if entry.model is Listener and entry.values.get("protocol") != "http"]
    for entry in met:
        if entry.model is AccessLog and entry.values.get("format") == "combined" and others:
            names = ", ".join(str(other.path[-1]) for other in others[:NAMED_MOST])
            message = f"`combined` leaves out sessions of listeners without `protocol: http`, here {names}"
            problems.warn(entry.place_of("format"), entry.path_of("format"), message, "use `json` or `logfmt`")


def _check_backends(met: list[Met], problems: Problems) -> None:
    pools: dict[Path, list[Met]] = {}
    for entry in met:
        if entry.model is Backend:
            pools.setdefault(entry.path[:-1], []).append(entry)
    for path, backends in pools.items():
        _check_addresses(backends, problems)
        _check_tiers(backends, problems)
        _check_weights(path, backends, problems)
    count = sum(map(len, pools.values()))
    if count > BACKENDS_MAX and len(pools) > 1:
        place = next(iter(pools.values()))[0].place_of("address")
        problems.add(place, ("pools",), f"{count} backends in all pools; at most {BACKENDS_MAX} are allowed")


def _check_addresses(backends: list[Met], problems: Problems) -> None:
    seen: dict[str, Met] = {}
    for entry in backends:
        address = entry.values.get("address")
        first = entry if address is None else seen.setdefault(address, entry)
        if first is not entry:
            message = f"{address} is already in this pool, at {first.place_of('address')}"
            problems.add(
                entry.place_of("address"), entry.path_of("address"), message, "use weight for a larger share"
            )


def _check_tiers(backends: list[Met], problems: Problems) -> None:
    """`backup` and `tier` that agree; those that do not are refused by the model."""
    for entry in backends:
        backup, tier = entry.values.get("backup"), entry.values.get("tier")
        if isinstance(entry.node, Mapping) and tier is not None and backup is (tier > 0):
            message = "give `backup` or `tier`, not both"
            problems.add(
                entry.node.keys["backup"], entry.path_of("backup"), message, "`backup: on` is `tier: 1`"
            )


def _check_weights(path: Path, backends: list[Met], problems: Problems) -> None:
    if not any(entry.values.get("weight", 1) for entry in backends):
        message = "every backend has weight 0: the pool could serve nobody"
        problems.add(backends[0].place_of("weight"), path, message, "use `state: drain` to take backends out")
