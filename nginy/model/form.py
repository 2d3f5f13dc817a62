"""What all parts of the configuration are made of: the base of every mapping, and the forms of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

NAME_PATTERN = r"[a-z][a-z0-9_-]*"
_MONTH_S = 30 * 86400


@dataclass(frozen=True, slots=True)
class Form:
    """How people write a value: `kind` names its reader, empty means as the type says.

    off, on: words that stand for None and for all defaults.   one_or_many: a single value is a list of one.
    default: what the reference prints when the default depends on another key.
    short_for: the key that says the same; this one is read, but never written.
    """

    kind: str = ""
    off: bool = False
    on: bool = False
    one_or_many: bool = False
    default: str = ""
    short_for: str = ""


class Model(BaseModel):
    """Immutable, strict, no unknown keys.

    short: the key that a plain string stands for.   one_of: keys of which exactly one is there; the first as a rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    short: ClassVar[str] = ""
    one_of: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, given: Any) -> Any:
        return {cls.short: given} if cls.short and isinstance(given, str) else given


class Kinded(Model):
    """A model that its `kind` tells from its siblings; the name of the kind alone stands for all defaults."""

    model_config = ConfigDict(defer_build=True)
    short: ClassVar[str] = "kind"


class OneKind:
    """Marks a union of models that `kind` tells apart; the name of a kind alone stands for all its defaults.

    A model is built when it is first met: a run needs few of the many, and clients wait for its start.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        models: dict[str, type[Kinded]] = {model.model_fields["kind"].default: model for model in get_args(source)}

        def read(given: Any) -> Kinded:
            if type(given) in models.values():
                return given  # type: ignore[no-any-return]
            tree = {"kind": given} if isinstance(given, str) else given
            if not isinstance(tree, Mapping) or "kind" not in tree:
                raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
            kind = str(tree["kind"])
            if kind not in models:
                known = ", ".join(f"'{kind}'" for kind in models)
                raise PydanticKnownError(
                    "union_tag_invalid", {"discriminator": "'kind'", "tag": kind, "expected_tags": known})
            return models[kind].model_validate(tree)

        return core_schema.no_info_plain_validator_function(read)


Listed = BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)

Duration: TypeAlias = Annotated[float, Form("duration"), Field(ge=0.001, le=_MONTH_S)]
Switch: TypeAlias = Annotated[bool, Form("switch")]
Text: TypeAlias = Annotated[str, Form("text"), Field(min_length=1, max_length=4096)]
Threshold: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
Cap: TypeAlias = Annotated[int, Field(ge=1, le=2**31 - 1)]
Size: TypeAlias = Annotated[int, Form("size")]
Rate: TypeAlias = Annotated[int, Form("rate"), Field(ge=1, le=2**31 - 1)]
Pace: TypeAlias = Annotated[float, Form("pace")]
Congestion: TypeAlias = Annotated[str, Form("congestion"), Field(max_length=15)]
