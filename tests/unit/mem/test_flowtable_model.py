"""Flow table: any row of steps beside the same in plain Python. Times are ticks."""

from hypothesis import given, settings
from hypothesis import strategies as st
from nginy._fast.testdoor import Flows

from tests.unit.mem.test_flowtable_age import WHEEL, drain, key_of

steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("touch"), st.integers(0, 11), st.just(0)),
        st.tuples(st.just("assure"), st.integers(0, 11), st.just(0)),
        st.tuples(st.just("park"), st.integers(0, 11), st.just(0)),
        st.tuples(st.just("unpark"), st.integers(0, 11), st.integers(0, 30)),
        st.tuples(st.just("remove"), st.integers(0, 11), st.just(0)),
        st.tuples(st.just("oldest"), st.integers(1, 40), st.just(0)),
        st.tuples(st.just("pass"), st.one_of(st.integers(0, 50), st.integers(0, 3 * WHEEL)), st.integers(1, 64)),
    ),
    max_size=60,
)


class Model:
    """The same in plain Python: entry -> [key or None, last activity, answered]."""

    def __init__(self, start: int) -> None:
        self.flows = Flows(12, now=start)
        self.entries: dict[int, list] = {}
        self.now = start

    def key_is_free(self, number: int) -> bool:
        return all(entry[0] != number for entry in self.entries.values())

    def add(self, number: int, _unused: int) -> None:
        if self.key_is_free(number):
            idx = self.flows.add(key_of(number), self.now)
            assert (idx is None) == (len(self.entries) == 12)
            assert idx not in self.entries
            if idx is not None:
                self.entries[idx] = [number, self.now, False]

    def touch(self, idx: int, _unused: int) -> None:
        if idx in self.entries:
            self.flows.touch(idx, self.now)
            self.entries[idx][1] = self.now

    def assure(self, idx: int, _unused: int) -> None:
        if idx in self.entries:
            self.flows.assure(idx)
            self.entries[idx][2] = True

    def park(self, idx: int, _unused: int) -> None:
        if idx in self.entries:
            self.flows.park(idx)
            self.entries[idx][0] = None

    def unpark(self, idx: int, number: int) -> None:
        if idx in self.entries and self.key_is_free(number):
            self.flows.unpark(idx, key_of(number), self.now)
            self.entries[idx] = [number, self.now, False]

    def remove(self, idx: int, _unused: int) -> None:
        assert self.flows.remove(idx) == (idx in self.entries)
        self.entries.pop(idx, None)

    def oldest(self, looks: int, _unused: int) -> None:
        unreplied = {idx: active for idx, (_, active, answered) in self.entries.items() if not answered}
        idx = self.flows.oldest(looks)
        assert (idx is None) == (not unreplied)
        if idx is not None:
            assert idx in unreplied
            if looks > 2 * len(unreplied) and self.is_young(unreplied):
                assert unreplied[idx] == min(unreplied.values())

    def is_young(self, unreplied: dict[int, int]) -> bool:
        """Whether the order by age is promised: nobody has been silent for longer than the wheel goes round."""
        return all(self.now - active < WHEEL - 200 for active in unreplied.values())

    def run(self, ticks: int, max_n: int, idle: int) -> None:
        wait = self.flows.wait(self.now, idle, 10**6)
        soonest = min((active + idle for _, active, _ in self.entries.values()), default=None)
        assert soonest is None or self.now + wait <= max(soonest, self.now), "overslept"
        self.now += ticks
        expired = {idx for idx, (_, active, _) in self.entries.items() if self.now - active >= idle}
        named = self.flows.expire(self.now, idle, max_n)
        assert len(named) == len(set(named)) <= max_n and set(named) <= expired
        for idx in named:
            self.remove(idx, 0)
        for idx in drain(self.flows, self.now, idle, max_n):
            assert self.entries.pop(idx) and idx in expired
            expired.discard(idx)
        assert not expired - set(named), "late"

    def check(self) -> None:
        for number in range(31):
            expected = [idx for idx, (key, _, _) in self.entries.items() if key == number]
            assert self.flows.find(key_of(number)) == (expected[0] if expected else None)
        unreplied, assured = self.flows.listed()
        assert sorted(unreplied) == sorted(idx for idx, entry in self.entries.items() if not entry[2])
        assert sorted(assured) == sorted(idx for idx, entry in self.entries.items() if entry[2])
        assert self.flows.n_assured == len(assured) and self.flows.n_taken == len(self.entries)


@settings(max_examples=400, deadline=None)
@given(steps, st.sampled_from([1, 40, WHEEL - 1, WHEEL, 10_000]), st.sampled_from([0, 1000, 2**31 - 20]))
def test_table_agrees_with_a_dict(given_steps, idle, start):
    model = Model(start)
    for step, first, second in given_steps:
        if step == "pass":
            model.run(first, second, idle)
        else:
            getattr(model, step)(first, second)
        model.check()
    for idx in list(model.entries):
        model.remove(idx, 0)
    assert not any(model.flows.passed()) and not model.flows.places()
