"""The words and the shape of the policy seam."""

from collections.abc import Mapping, Sequence

from nginy._fast import door
from nginy.balancer.api import OUTCOMES, Candidate, Context, Policy


class Taking:
    """The smallest policy: turns, without a memory of its sessions."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.turn = 0

    def build(self, backends: Sequence[Candidate]) -> None:
        self.ids = [backend.id for backend in backends]

    def start(self, context: Context) -> None:
        self.turn += 1

    def choose(self, state: None, attempt: int) -> int | None:
        return self.ids[(self.turn + attempt) % len(self.ids)] if self.ids else None

    def release(self, state: None, backend: int, outcome: str) -> None:
        assert outcome in OUTCOMES

    def observe(self, backend: int, measures: Mapping[str, float]) -> None:
        """Nothing is learned."""


def test_outcomes_are_the_words_of_the_data_plane_in_its_order() -> None:
    assert tuple(OUTCOMES) == door.OUTCOMES


def test_policy_is_any_object_with_the_five_hooks() -> None:
    policy: Policy[None] = Taking()
    assert isinstance(policy, Policy)
    assert policy.choose(None, 0) is None


def test_policy_without_a_hook_is_none() -> None:
    assert not isinstance(object(), Policy)
