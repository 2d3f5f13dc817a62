"""Which worker gets a datagram: a classic BPF program on a reuseport group, so that a flow stays on its slot.

The kernel runs it for every datagram: offset 0 is the payload, the IP header is at NET; what it returns is the place
of a socket in the group, which is the order in which they were bound. Too large a number, as from a group that is not
complete yet, leaves the choice to the kernel's own hash. Source: socket(7), SO_ATTACH_REUSEPORT_CBPF.
"""

import ctypes
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27
SO_ATTACH_REUSEPORT_CBPF = 51

# linux/bpf_common.h: what is done, to how much, from where
LD_WORD, LD_HALF, LD_BYTE = 0x20, 0x28, 0x30
LD_HALF_X = 0x48  # from X + k
LD_LENGTH, LD_IMM, LD_MEM, LDX_MEM, ST_MEM = 0x80, 0x00, 0x60, 0x61, 0x02
MUL, AND, LSH, RSH, MOD, XOR_X = 0x24, 0x54, 0x64, 0x74, 0x94, 0xAC
JUMP, JEQ, JGE = 0x05, 0x15, 0x35
TAX, RET_A = 0x07, 0x16

NET = -0x100000  # SKF_NET_OFF: the IP header
UDP = 17
HASH = 0  # scratch memory
STEP_FACTOR = 0x9E3779B1  # 2^32 / golden ratio, odd
LAST_FACTORS = (0x85EBCA6B, 0xC2B2AE35)  # the finishing steps of MurmurHash3


class Step(NamedTuple):
    """One instruction. yes, no: labels to jump to; empty goes on."""

    code: int
    k: int = 0
    yes: str = ""
    no: str = ""


Steps = list[Step | str]
"""Instructions, and labels between them."""


def steer(sock: socket.socket, program: bytes) -> None:
    """Give the reuseport group of a bound socket its program, in place of any other. Errors: OSError."""
    _set_program(sock, SO_ATTACH_REUSEPORT_CBPF, program)


def shut(sock: socket.socket) -> None:
    """Let no datagram in, until `let_in`. For sockets whose group has no program yet. Errors: OSError."""
    _set_program(sock, SO_ATTACH_FILTER, assemble([Step(LD_IMM, 0), Step(RET_A)]))


def let_in(sock: socket.socket) -> None:
    """Undo `shut`. Errors: OSError."""
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def steer_program(kind: str, offset: int, length: int, slots: int, seed: int) -> bytes:
    """The program for a kind of session.key and so many sockets, as the kernel takes it.

    offset, length: of the slice in the payload, in bytes.
    seed: 32 bits, secret, so that nobody outside can aim at one worker.   Errors: KeyError for an unknown kind.
    """
    by_tuple = ["tuple", *_by_tuple()]
    programs = {
        "tuple": by_tuple,
        "source": _by_source(),
        "bytes": [*_by_slice(offset, length), *by_tuple],
    }
    head: Steps = [Step(LD_IMM, seed), Step(ST_MEM, HASH)]
    return assemble([*head, *programs[kind], "done", *_finish(slots)])


# ---- what a client is known by; each leaves its hash in HASH and goes on at `done` ----


def _by_tuple() -> Steps:
    """Address and port; of IPv6 with extension headers the address alone."""
    return [
        *_if_ipv4("v4", "v6"),
        "v4", *_mix(Step(LD_WORD, NET + 12)),
        # the port follows a header of as many words as its first byte says
        Step(LD_BYTE, NET), Step(AND, 15), Step(LSH, 2), Step(TAX), *_mix(Step(LD_HALF_X, NET)), Step(JUMP, yes="done"),
        "v6", *_mix_ipv6(),
        Step(LD_BYTE, NET + 6), Step(JEQ, UDP, no="done"), *_mix(Step(LD_HALF, NET + 40)),
    ]  # fmt: skip


def _by_source() -> Steps:
    ipv4: Steps = ["v4 alone", *_mix(Step(LD_WORD, NET + 12)), Step(JUMP, yes="done")]
    return [*_if_ipv4("v4 alone", "v6 alone"), *ipv4, "v6 alone", *_mix_ipv6()]


def _by_slice(offset: int, length: int) -> Steps:
    """A slice of the payload; `tuple` for a datagram that ends before it does."""
    steps: Steps = [Step(LD_LENGTH), Step(JGE, offset + length, no="tuple")]
    end = offset + length
    while offset < end:
        code, n_bytes = (LD_WORD, 4) if end - offset >= 4 else (LD_HALF, 2) if end - offset >= 2 else (LD_BYTE, 1)
        steps += _mix(Step(code, offset))
        offset += n_bytes
    return [*steps, Step(JUMP, yes="done")]


# ---- parts ----


def _if_ipv4(yes: str, no: str) -> Steps:
    return [Step(LD_BYTE, NET), Step(RSH, 4), Step(JEQ, 4, yes=yes, no=no)]


def _mix_ipv6() -> Steps:
    """All four words: networks differ in the first ones, their hosts in the others."""
    return [step for at in range(8, 24, 4) for step in _mix(Step(LD_WORD, NET + at))]


def _mix(load: Step) -> Steps:
    """h = (h ^ loaded) * factor; h ^= h >> 15."""
    return [load, Step(LDX_MEM, HASH), Step(XOR_X), Step(MUL, STEP_FACTOR), *_fold(15), Step(ST_MEM, HASH)]


def _finish(slots: int) -> Steps:
    """Every bit of the hash has to count for the remainder."""
    first, second = LAST_FACTORS
    return [
        Step(LD_MEM, HASH), Step(MUL, first), *_fold(13), Step(MUL, second), *_fold(16), Step(MOD, slots), Step(RET_A)
    ]  # fmt: skip


def _fold(bits: int) -> Steps:
    return [Step(TAX), Step(RSH, bits), Step(XOR_X)]


# ---- to bytes ----


def assemble(steps: Iterable[Step | str]) -> bytes:
    """struct sock_filter[], labels resolved. Errors: KeyError for a label that is missing, or behind its jump."""
    at: dict[str, int] = {}
    code: list[Step] = []
    for step in steps:
        if isinstance(step, str):
            at[step] = len(code)
        else:
            code.append(step)
    return b"".join(_encode(step, place, at) for place, step in enumerate(code))


def _encode(step: Step, place: int, at: dict[str, int]) -> bytes:
    yes, no = (at[label] - place - 1 if label else 0 for label in (step.yes, step.no))
    if yes < 0 or no < 0:
        raise KeyError(f"{step.yes or step.no}: a classic BPF program jumps forward only")
    if step.code == JUMP:
        return struct.pack("=HBBI", JUMP, 0, 0, yes)
    return struct.pack("=HBBI", step.code, yes, no, step.k & 0xFFFFFFFF)


def _set_program(sock: socket.socket, option: int, program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, and where they are
    sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("HP", len(program) // 8, ctypes.addressof(code)))
