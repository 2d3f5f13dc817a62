"""The process as a whole: workers and what they may use, logs, and the operator's doors."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, field_validator

from nginy.model.form import Cap, Duration, Form, Model, Switch, Text

WORKERS_MAX = 64
CPU_MAX = 8191  # the largest number that a kernel for x86 or ARM knows
_PIPE_BYTES = 2**20
_PIPES_MAX = 4096

Affinity: TypeAlias = (
    Annotated[
        tuple[Annotated[int, Field(ge=0, le=CPU_MAX)], ...],
        Field(min_length=1, max_length=WORKERS_MAX, strict=False),
    ]
    | Literal["off", "on"]
)


class Log(Model):
    """nginy's own log, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Events below this level are not written.")
    format: Literal["text", "json"] = Field(default="text", description="Lines for people, or JSON lines.")


class AccessLog(Model):
    """One record per session, flow and request of HTTP. A plain string is its output."""

    short: ClassVar[str] = "output"
    output: Annotated[str, Form("output")] = Field(default="off", description="`off`, `stdout` or a file.")
    format: Literal["json", "logfmt", "combined"] = Field(default="json", description=(
        "How a record is written. `combined`: requests of HTTP alone, as nginx and Apache write them (NCSA combined)."))


class Runtime(Model):
    """The process as a whole. Relative paths start at the directory that nginy was started in."""

    workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] | Literal["auto"] = Field(
        default="auto", description="Number of workers; `auto`: one per core, at most 64.")
    affinity: Affinity = Field(default="off", description=(
        "CPUs that workers stay on. `on`: worker n on the n-th CPU that nginy may use; a list of CPU numbers: worker n "
        "on the n-th of the list; both begin again at the end. `off`: the kernel decides."))
    spin: Switch = Field(default=False, description=(
        "Poll again for some microseconds before waiting, while work comes quickly: shorter latency on lightly loaded "
        "connections for some CPU time. Never while idle, never for more than 50 microseconds in a row. Needs one CPU "
        "more than there are workers, else it is turned off with a warning."))
    user: Text | None = Field(default=None, description="User that workers run as, once sockets are bound.")
    group: Text | None = Field(default=None, description="Group that workers run as; left out: the user's.")
    pid_file: Text | None = Field(default=None, description="File that holds the process id while it runs.")
    drain: Duration = Field(default=30.0, description=(
        "What sessions get to finish at a stop; after it they are cut."))
    log: Log = Log()
    access_log: AccessLog = AccessLog()
    buffers: Annotated[int, Form("size"), Field(ge=128 * 1024, le=2**40)] = Field(
        default=64 * 2**20, description="Memory per worker for bytes in flight, in buffers of 64 KiB.")
    pipes: Annotated[int, Form("size"), Field(ge=0, le=_PIPES_MAX * _PIPE_BYTES)] = Field(
        default=64 * 2**20, description=(
            "Memory per worker for bulk that is spliced, in pipes of 1 MiB; when none is free, bulk is copied through "
            "buffers of 256 KiB. 0: never splice. Users other than root share the kernel's "
            "`fs.pipe-user-pages-soft`, 64 MiB as a rule."))
    policy_memory: Annotated[int, Form("size"), Field(ge=64 * 2**20, le=2**40)] = Field(
        default=2**30, description=(
            "Memory of the process that runs policies in Python; one that wants more is replaced."))
    sessions: Cap | None = Field(default=None, description=(
        "Live sessions per worker at most. Left out: what descriptors allow."))

    @field_validator("pipes")
    @classmethod
    def _pipes_are_whole(cls, pipes: int) -> int:
        if 0 < pipes < _PIPE_BYTES:
            raise ValueError("one pipe takes 1MiB: give at least that, or 0 for none")
        return pipes


class AdminHttp(Model):
    """Read-only HTTP: `/metrics`, `/healthz`, `/readyz`. A plain string is its address."""

    short: ClassVar[str] = "bind"
    bind: Annotated[str, Form("loopback")] = Field(default="127.0.0.1:9901", description=(
        "`ip:port`; a loopback address, as nothing here asks for a password."))


class Admin(Model):
    """How a running nginy is watched and steered."""

    socket: Annotated[str, Form("socket")] | None = Field(default=None, description=(
        "Path of the control socket (mode 0600), with or without `unix:`. Left out: chosen by nginy."))
    http: Annotated[AdminHttp | None, Form(off=True, on=True)] = Field(
        default=None, description="Metrics and health over HTTP: an address, a mapping, `on` or `off`.")


