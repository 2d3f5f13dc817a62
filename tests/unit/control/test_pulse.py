"""Pulse: a worker without a turn is ended, unless it was control itself that did not look."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from nginy.control.pulse import INTERVAL_S, STALL_S, Pulse
from nginy.control.seats import Seat
from nginy.control.systemd import Notifier


class Body:
    """A worker seen from outside."""

    pid = 4711

    def kill(self) -> None: ...
    def close(self) -> None: ...


class Ward:
    """The crew and the board as the pulse sees them."""

    def __init__(self) -> None:
        self.seats = [Seat(0, body=Body(), is_ready=True), Seat(1, body=Body(), is_ready=True)]
        self.turns = [5, 5]
        self.paused = [0, 0]
        self.killed: list[int] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.now_s = 1000.0

    def kill(self, seat: Seat) -> None:
        self.killed.append(seat.slot)

    def worker(self, slot: int) -> dict[str, int]:
        return {"turns": self.turns[slot], "accept_paused": self.paused[slot]}

    def emit(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))

    def pulse(self, notifier: Notifier | None = None) -> Pulse:
        pulse = Pulse(self, self, self.emit, notifier or Notifier(None), lambda: None)  # type: ignore[arg-type]
        pulse._last_s = self.now_s
        return pulse

    def let_pass(self, pulse: Pulse, seconds: float, moving: tuple[int, ...] = (0, 1)) -> None:
        for _ in range(round(seconds / INTERVAL_S)):
            self.now_s += INTERVAL_S
            for slot in moving:
                self.turns[slot] += 1
            pulse.beat(self.now_s)


@pytest.fixture
def ward() -> Ward:
    return Ward()


def test_workers_that_turn_are_left_alone(ward: Ward) -> None:
    ward.let_pass(ward.pulse(), 60)
    assert not ward.killed


def test_a_worker_without_a_turn_is_ended_within_three_seconds(ward: Ward) -> None:
    pulse = ward.pulse()
    ward.let_pass(pulse, 5)
    ward.let_pass(pulse, STALL_S - INTERVAL_S, moving=(1,))
    assert not ward.killed
    ward.let_pass(pulse, INTERVAL_S, moving=(1,))
    assert ward.killed == [0]
    assert [kind for kind, _ in ward.events] == ["worker_stalled"]


def test_a_suspended_control_blames_nobody(ward: Ward) -> None:
    pulse = ward.pulse()
    ward.let_pass(pulse, 5)
    ward.now_s += 3600
    ward.let_pass(pulse, STALL_S - INTERVAL_S, moving=())
    assert not ward.killed


def test_a_seat_that_is_not_ready_is_not_judged(ward: Ward) -> None:
    ward.seats[0].is_ready = False
    ward.let_pass(ward.pulse(), 30, moving=(1,))
    assert not ward.killed


def test_a_replacement_starts_with_a_clean_slate(ward: Ward) -> None:
    pulse = ward.pulse()
    ward.let_pass(pulse, STALL_S, moving=(1,))
    ward.seats[0].body = Body()
    ward.seats[0].body.pid = 4712  # type: ignore[misc]
    ward.let_pass(pulse, STALL_S, moving=(1,))
    assert not ward.killed


def test_a_shortage_is_told_once_a_second_however_often_it_happens(ward: Ward) -> None:
    pulse = ward.pulse()
    for _ in range(20):
        ward.paused[1] += 5
        ward.let_pass(pulse, INTERVAL_S)
    told = [fields for kind, fields in ward.events if kind == "accept_paused"]
    assert len(told) == 10
    assert sum(fields["times"] for fields in told) in (95, 100)


def test_systemd_hears_of_life_at_half_its_patience_and_not_while_a_worker_is_stuck(ward: Ward, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        pulse = ward.pulse(Notifier(str(tmp_path / "notify"), 2_000_000))

        def heard() -> int:
            count = 0
            try:
                while sock.recv(100) == b"WATCHDOG=1":
                    count += 1
            except BlockingIOError:
                return count
            raise AssertionError

        ward.let_pass(pulse, 5)
        assert heard() == 5
        ward.let_pass(pulse, STALL_S - INTERVAL_S, moving=(1,))
        heard()
        ward.let_pass(pulse, INTERVAL_S, moving=(1,))
        assert heard() == 0


def test_it_beats_by_itself_until_it_is_stopped(ward: Ward) -> None:
    beats = []

    async def main() -> None:
        pulse = Pulse(ward, ward, ward.emit, Notifier(None), lambda: beats.append(1))  # type: ignore[arg-type]
        pulse.start()
        async with asyncio.timeout(10):
            while not beats:
                await asyncio.sleep(0.01)
        await pulse.stop()
        await pulse.stop()

    asyncio.run(main())
