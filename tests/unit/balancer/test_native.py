"""One list of policies: the description, the configuration and the data plane name the same ones."""

from typing import get_args

import pytest

from nginy._fast import door
from nginy.balancer.native import NATIVE
from nginy.model import Native


def kinds_of_model() -> dict[str, set[str]]:
    """kind -> its further keys."""
    union = get_args(Native)[0]
    return {
        model.model_fields["kind"].default: set(model.model_fields) - {"kind"} for model in get_args(union)
    }


def test_native_names_are_those_of_the_data_plane() -> None:
    assert list(NATIVE) == list(door.POLICIES)


def test_native_names_and_parameters_are_those_of_the_configuration() -> None:
    described = {name: {parameter.name for parameter in policy.parameters} for name, policy in NATIVE.items()}
    assert described == kinds_of_model()


@pytest.mark.parametrize("name", list(NATIVE))
def test_native_policy_is_described_in_one_line(name: str) -> None:
    policy = NATIVE[name]
    assert policy.name == name
    assert policy.cost.startswith("O(")
    assert "\n" not in policy.summary
    assert policy.summary.endswith(".")
