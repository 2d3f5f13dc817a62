"""The tables of docs/admin.md are those of the code."""

from pathlib import Path

import pytest

from nginy._fast.door import DROPS, OUTCOMES, REASONS
from nginy.observe.families import FAMILIES
from nginy.observe.reference import DROP_MEANINGS, OUTCOME_MEANINGS, REASON_MEANINGS, renewed

PAGE = Path(__file__).parents[3] / "docs" / "admin.md"


def test_the_page_has_not_drifted() -> None:
    assert renewed(PAGE.read_text()) == PAGE.read_text(), (
        "run: python -m nginy.observe.reference docs/admin.md"
    )


def test_every_reason_and_outcome_has_a_meaning_and_none_is_left_over() -> None:
    assert tuple(REASON_MEANINGS) == REASONS
    assert tuple(OUTCOME_MEANINGS) == OUTCOMES
    assert tuple(DROP_MEANINGS) == ("kernel", *DROPS)


def test_the_page_names_every_metric_as_it_is_exposed() -> None:
    text = PAGE.read_text()
    assert [family.exposed for family in FAMILIES if f"| `{family.exposed}` |" not in text] == []


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="metrics"):
        renewed("nothing here\n")
