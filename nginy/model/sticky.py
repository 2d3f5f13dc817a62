"""Sticky cookies: what keeps a client of HTTP at its backend."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from nginy.model.form import Duration, Form, Kinded, OneKind, Switch
from nginy.model.key import Name

SECRET_LEAST_BYTES = 16
SECRET_MOST_BYTES = 4096


class StickyBase(Kinded):
    """What both kinds have."""

    secret_file: Annotated[str, Form("file")] | None = Field(default=None, description=(
        "A file with the secret that signs cookies: 16 bytes to 4 KiB, a new line at its end apart, nothing for "
        "others to read; relative to the file of the configuration. It is read when that is, and at each reload. "
        "Machines with the same secret read each other's cookies. Left out: nginy draws one when it starts, and "
        "cookies that are older than it mean nothing."))
    _secret: bytes | None = PrivateAttr(default=None)

    @property
    def secret(self) -> bytes | None:
        """What the file held when the configuration was read; None where there is none."""
        return self._secret


class InsertSticky(StickyBase):
    """A cookie of nginy's own names the backend; backends do not see it."""

    kind: Literal["insert"] = "insert"
    name: Name = Field(default="nginy", description="The cookie's name.")
    max_age: Annotated[Duration | None, Form(off=True)] = Field(default=None, description=(
        "How long the client keeps it, in whole seconds from when it was set; or `off`: until the browser is closed."))
    secure: Switch = Field(default=False, description="`on`: the client sends it by https alone.")
    same_site: Literal["lax", "strict", "none"] = Field(default="lax", description=(
        "Whether it goes along when another site leads here; `none` needs `secure`."))

    @field_validator("same_site")
    @classmethod
    def _none_is_secure(cls, same_site: str, info: ValidationInfo) -> str:
        if same_site == "none" and not info.data.get("secure"):
            raise ValueError("browsers take `same_site: none` with `secure: on` alone")
        return same_site

    @field_validator("max_age")
    @classmethod
    def _age_is_whole(cls, seconds: float | None) -> float | None:
        if seconds is not None and seconds % 1:
            raise ValueError("cookies count whole seconds: write 30m, 12h, 7d")
        return seconds


class PrefixSticky(StickyBase):
    """An application's cookie has the backend in front of its value, which nobody but the client sees."""

    kind: Literal["prefix"] = "prefix"
    name: Name = Field(description="The name of the application's cookie.")


Sticky: TypeAlias = Annotated[InsertSticky | PrefixSticky, OneKind()]
