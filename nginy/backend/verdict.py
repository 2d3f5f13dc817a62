"""The rise and fall machine: check results in, edges out. Pure: no clock, no loop, no input or output.

The rules, all of them:

* Only consecutive results count. `rise` good ones in a row make a backend `up`, `fall` bad ones in a row make
  it `down`; one result of the other kind starts the count again.
* The beginning is no exception: `unknown` becomes `up` or `down` by the same two counts. So one bad first
  check takes nothing out of use (unless `fall` is 1), and with `rise: 1`, the default, one good check is
  enough, at the start as well as for a backend that returns.
* `unknown` is never reported as up. Whether it may be used is the operator's choice: `start: unknown` yes,
  `start: down` not before `rise` checks have passed.
"""

from typing import Literal

Value = Literal["unknown", "up", "down"]
Edge = Literal["up", "down"]
Start = Literal["unknown", "down"]


class Verdict:
    """Control's opinion of one backend.

    rise, fall: consecutive results needed, >= 1.   start: what a backend counts as before anything is known.
    Errors: ValueError for a count below 1.   Thread: control's loop; nothing here waits.
    """

    __slots__ = ("_bad", "_fall", "_good", "_rise", "_start", "_value")

    def __init__(self, rise: int, fall: int, start: Start = "unknown") -> None:
        self._value: Value = "unknown"
        self._good = 0
        self._bad = 0
        self.retune(rise, fall, start)

    @property
    def value(self) -> Value:
        """What may be reported."""
        return self._value

    @property
    def is_usable(self) -> bool:
        """May sessions be sent there? State, weight and limits are asked elsewhere."""
        return self._value == "up" or (self._value == "unknown" and self._start == "unknown")

    def feed(self, ok: bool) -> Edge | None:
        """Take one result. -> the new value when it changed, else None."""
        if ok:
            self._good, self._bad = self._good + 1, 0
            return self._turn("up") if self._good >= self._rise else None
        self._good, self._bad = 0, self._bad + 1
        return self._turn("down") if self._bad >= self._fall else None

    def retune(self, rise: int, fall: int, start: Start = "unknown") -> None:
        """Take new parameters. Value and counts stay; a count already full acts with the next result."""
        if rise < 1 or fall < 1:
            raise ValueError(f"rise and fall must be at least 1, got {rise} and {fall}")
        self._rise, self._fall, self._start = rise, fall, start

    def _turn(self, value: Edge) -> Edge | None:
        if self._value == value:
            return None
        self._value = value
        return value

    def __repr__(self) -> str:
        return f"Verdict({self._value}, good={self._good}/{self._rise}, bad={self._bad}/{self._fall})"
