"""What changes heads on their way: filters of listeners and routes."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field

from nginy.model.form import Form, Listed, Model
from nginy.model.roles import parts_at

FILTERS_MAX = 64
EDITS_MAX = 64

Lines: TypeAlias = Annotated[dict[str, Annotated[str, Form("header_value")]], Form("headers")]


class Edits(Model):
    """Changes of a head: first `set`, then `add`, then `remove`. Names are compared without case."""

    set: Lines = Field(default={}, max_length=EDITS_MAX, description=(
        "Value by name, in place of all that came under this name. Values may have variables: `{client}`, "
        "`{request_id}`, `{backend}`, `{listener}`, `{route}`, and in requests `{host}`, `{method}`, `{path}`; a brace "
        "is written twice, `{{`. `Host` in a request is what the backend takes for its host."))
    add: Lines = Field(default={}, max_length=EDITS_MAX, description="The same, behind what came.")
    remove: Annotated[tuple[Annotated[str, Form("header_name")], ...], Form(one_or_many=True), Listed] = Field(
        default=(), max_length=EDITS_MAX, strict=False, description="One or a list of names.")


class Filter(Model):
    """One step of what happens to requests or to their responses."""

    one_of: ClassVar[tuple[str, ...]] = parts_at("filter", "listener")

    request: Edits | None = Field(default=None, description=(
        "HTTP: changes of the request's head. A filter does one thing."))
    response: Edits | None = Field(default=None, description=(
        "HTTP: changes of the response's head, of a backend's and of nginy's own."))


Filters: TypeAlias = tuple[Filter, ...]
