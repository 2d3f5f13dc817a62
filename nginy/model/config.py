"""The whole configuration, and the defaults that go through it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nginy.model.form import Form, Model, Switch
from nginy.model.health import Health
from nginy.model.listener import LISTENERS_MAX, KeepAlive, Limits, Listener, Splice, Timeouts
from nginy.model.policy import Policy, RoundRobin
from nginy.model.pool import POOLS_MAX, Pool, Resolve
from nginy.model.runtime import Admin, Runtime
from nginy.model.tls import Tls


class Defaults(Model):
    """Values for all listeners and pools that do not say otherwise."""

    timeouts: Timeouts = Field(default=Timeouts(), description="For listeners, key by key.")
    limits: Limits = Field(default=Limits(), description="For listeners, key by key.")
    half_close: Switch = Field(default=True, description="For listeners.")
    keepalive: KeepAlive = Field(default=60.0, description="For listeners.")
    splice: Splice = Field(default="auto", description="For listeners.")
    policy: Policy = Field(default=RoundRobin(), description="For pools.")
    health: Annotated[Health | None, Form(off=True)] = Field(default=None, description=(
        "For pools, key by key; a pool of another `kind` takes over only the keys that all kinds have."))
    resolve: Resolve = Field(default=30.0, description="For pools.")


class Config(Model):
    """A whole configuration, with all defaults filled in."""

    version: Literal[1] = Field(default=1, description="Version of this format.")
    runtime: Runtime = Runtime()
    defaults: Defaults = Defaults()
    tls: Tls = Tls()
    pools: dict[str, Pool] = Field(max_length=POOLS_MAX, description="Sets of backends, by name.")
    listeners: dict[str, Listener] = Field(
        min_length=1, max_length=LISTENERS_MAX, description="Entry points, by name.")
    admin: Admin = Admin()

    def leaves(self, *names: str) -> tuple[str, ...]:
        """The pools with backends that these pools stand for, each once. Errors: KeyError for an unknown name."""
        found: dict[str, None] = {}
        for name in names:
            found |= dict.fromkeys([member.pool for member in self.pools[name].of] or [name])
        return tuple(found)
