"""Model to the smallest plain tree that says the same: dicts, lists, scalars as people write them. Pure."""

from __future__ import annotations

from typing import Any

from nginy.config.scalar import escape
from nginy.config.shape import Shape, keys_of
from nginy.config.transport import HTTP_LIMITS, HTTP_TIMEOUTS, INHERITED_KEYS, UDP_LIMITS
from nginy.config.units import format_duration, format_pace, format_rate, format_size
from nginy.model import Admin, Config, Defaults, Health, HealthCheck, Limits, Listener, Model, Pool, Runtime, Timeouts


def plain_config(config: Config) -> dict[str, Any]:
    """The whole tree, without what defaults would fill in. config: checked, so that its values are final."""
    outer = config.defaults
    defaults = _without(outer, Defaults(timeouts=outer.timeouts))
    tree = {
        "version": config.version,
        "runtime": _without(config.runtime, Runtime()),
        "defaults": _in_order(Defaults, defaults, timeouts=_timeouts(outer.timeouts, Timeouts())),
        "pools": {name: _pool(pool, outer) for name, pool in config.pools.items()},
        "listeners": {name: _listener(entry, config) for name, entry in config.listeners.items()},
        "admin": _without(config.admin, Admin()),
    }
    return {key: value for key, value in tree.items() if value != {}}


def plain_value(value: Any, shape: Shape) -> Any:
    """One value of a model as people write it."""
    if value is None:
        return "off" if shape.off else None
    if isinstance(value, Model):
        tree = _shortest(value, _without(value, None))
        return "on" if shape.on and tree == {} else tree
    if isinstance(value, tuple) and shape.item is not None:
        items = [plain_value(item, shape.item) for item in value]
        return items[0] if shape.one_or_many and len(items) == 1 else items
    if shape.kind in ("arguments", "headers"):
        return _argument(value)
    if isinstance(value, str):
        return escape(value)
    if shape.kind == "switch":
        return "on" if value else "off"
    if shape.kind == "duration":
        return format_duration(value)
    if shape.kind == "rate":
        return format_rate(value)
    if shape.kind == "pace":
        return format_pace(value)
    return format_size(value) if shape.kind == "size" else value


def _argument(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _argument(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_argument(item) for item in value]
    return escape(value) if isinstance(value, str) else value


def _without(given: Model, usual: Model | None) -> dict[str, Any]:
    """Keys that differ from those of usual (None: the defaults of the model), and the required ones."""
    tree: dict[str, Any] = {}
    for name, key in keys_of(type(given)).items():
        value = getattr(given, key.attribute)
        theirs = key.default if usual is None else getattr(usual, key.attribute)
        if key.short_for or value == theirs and not key.is_required:
            continue
        if isinstance(value, Model) and type(value) is type(theirs):
            tree[name] = _shortest(value, _without(value, theirs))
        else:
            tree[name] = plain_value(value, key.shape)
    return tree


def _shortest(given: Model, tree: dict[str, Any]) -> Any:
    """The short form when it says all; the kind of a model that has one is always told."""
    kind = getattr(given, "kind", None)
    if kind is not None:
        tree = {"kind": kind} | tree
    return tree[given.short] if list(tree) == [given.short] else tree


def _in_order(model: type[Model], tree: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Keys in the order of the model; of more, those that say something."""
    full = tree | {key: value for key, value in more.items() if value != {}}
    return {key: full[key] for key in keys_of(model) if key in full}


def _timeouts(given: Timeouts, outer: Timeouts) -> dict[str, Any]:
    half_close_s = given.idle if outer.half_close == outer.idle else outer.half_close
    usual = outer.model_copy(update={"half_close": half_close_s})
    return _without(given, usual)


def _usual(given: Any, usual: Model, keys: tuple[str, ...]) -> Any:
    """The model with its own defaults for these keys: what `defaults` says of them is for others."""
    return given.model_copy(update={key: getattr(usual, key) for key in keys})


def _listener(given: Listener, config: Config) -> dict[str, Any]:
    """Of `defaults`, only what means something for its protocol has arrived at a listener."""
    outer = config.defaults
    foreign = (HTTP_LIMITS if given.protocol != "http" else ()) + (UDP_LIMITS if given.protocol != "udp" else ())
    usual = Listener(bind=given.bind, timeouts=given.timeouts, limits=_usual(outer.limits, Limits(), foreign))
    outer_timeouts = Timeouts(drain=outer.timeouts.drain)
    if given.protocol != "udp":
        usual = usual.model_copy(update={key: getattr(outer, key) for key in INHERITED_KEYS})
        outer_timeouts = outer.timeouts
        if given.protocol != "http":
            outer_timeouts = _usual(outer_timeouts, Timeouts(), HTTP_TIMEOUTS)
    timeouts = _timeouts(given.timeouts, outer_timeouts)
    return _in_order(Listener, _without(given, usual), timeouts=timeouts)


def _pool(given: Pool, outer: Defaults) -> dict[str, Any]:
    if given.of:  # no defaults arrive at a group
        return _without(given, Pool())
    usual = Pool(policy=outer.policy, resolve=outer.resolve, health=given.health)
    health = {} if given.health == outer.health else _health(given.health, outer.health)
    return _in_order(Pool, _without(given, usual), health=health)


def _health(given: Health | None, outer: Health | None) -> Any:
    if given is None:
        return "off"
    usual: Model | None = outer
    if type(given) is not type(outer):
        common = {key: getattr(outer, key) for key in HealthCheck.model_fields} if outer is not None else {}
        usual = type(given)(**common)
    return _shortest(given, _without(given, usual))
