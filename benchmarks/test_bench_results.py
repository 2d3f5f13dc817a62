"""What is measured anew takes the place of what was kept, and nothing else changes."""

from typing import Any

from benchmarks import results
from benchmarks.bench import Outcome
from benchmarks.parts import FULL
from benchmarks.targets import judge_fact


def run_at(date: str) -> dict[str, Any]:
    return {"command": f"at {date}", "rounds": 5, "seconds": 0.5, "about": {"date": date}, "versions": {"nginy": date}}


def part(title: str, date: str, is_met: bool) -> results.Tree:
    outcome = Outcome(f"### {title}\n\nfigures of {date}\n", verdicts=[judge_fact(title, "fact", "yes", date, is_met)])
    return results.entry_of(outcome, run_at(date))


KEPT = {"parts": {"start": part("starting", "1st", False), "rings": part("rings", "1st", True)}}


def test_parts_that_are_not_measured_again_are_kept() -> None:
    tree = results.merged(KEPT, {"start": part("starting", "2nd", True)}, ["rings", "start"])
    assert list(tree["parts"]) == ["rings", "start"]
    assert tree["parts"]["rings"] == KEPT["parts"]["rings"]
    assert [target["got"] for target in results.flat(tree)["targets"]] == ["1st", "2nd"]


def test_every_table_names_its_run() -> None:
    tree = results.merged(KEPT, {"start": part("starting", "2nd", True)}, ["rings", "start"])
    text = results.markdown(tree)
    assert "### rings (1)\n" in text
    assert "### starting (2)\n\nfigures of 2nd" in text
    assert "1. 1st, `at 1st`" in text
    assert "2 of 2 met" in text


def test_what_is_committed_is_what_would_be_written() -> None:
    tree = results.load()
    assert set(tree["parts"]) <= set(FULL)
    assert results.RESULTS.read_text() == results.markdown(tree)
