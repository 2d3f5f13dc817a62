"""nginy: a TCP load balancer. Importing it starts nothing; what is heavy loads on first use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nginy.config import load_config
    from nginy.errors import ConfigError, NginyError, StartError
    from nginy.flows import FlowTable
    from nginy.model import Config
    from nginy.server import Server

__version__ = "0.1.0"
__all__ = ["Config", "ConfigError", "FlowTable", "NginyError", "Server", "StartError", "__version__", "load_config"]

_ROOMS = {
    "Config": "nginy.model",
    "ConfigError": "nginy.errors",
    "FlowTable": "nginy.flows",
    "NginyError": "nginy.errors",
    "Server": "nginy.server",
    "StartError": "nginy.errors",
    "load_config": "nginy.config",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ROOMS[name]), name)
