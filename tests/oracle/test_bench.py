"""The benches measure what they say: turns are taken, the same work is demanded, libbpf's side builds."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bench.__main__ import as_json, build_peer
from bench.measure import Figures, Goal, Result, Side, compare, cpu_time_of, printed


def _side(name: str, calls: list[str], *figures: int) -> Side:
    left = list(figures)

    def run() -> Figures:
        calls.append(name)
        return {"time": left.pop(0), "sum": 7}

    return run


def test_the_side_that_goes_first_changes_from_round_to_round() -> None:
    calls: list[str] = []
    compare([Goal("x", "time")], _side("a", calls, 1, 1, 1), _side("b", calls, 1, 1, 1), rounds=3)
    assert calls == ["a", "b", "b", "a", "a", "b"]


def test_the_ratio_is_the_median_of_the_rounds_ratios() -> None:
    (result,) = compare([Goal("x", "time", most=1.5)], _side("a", [], 10, 90, 12), _side("b", [], 10, 10, 10), rounds=3)
    assert result.ratios == (1.0, 9.0, 1.2)
    assert result.ratio == 1.2
    assert result.reached


def test_a_goal_of_at_least_compares_the_other_way_round() -> None:
    (result,) = compare([Goal("x", "time", least=4.0)], _side("a", [], 10), _side("b", [], 39), rounds=1)
    assert result.ratio == 3.9
    assert not result.reached


def test_sides_that_did_other_work_are_no_comparison() -> None:
    other: Side = lambda: {"time": 1, "sum": 8}  # noqa: E731
    with pytest.raises(AssertionError, match="not the same work"):
        compare([Goal("x", "time")], _side("a", [], 1), other, rounds=1, same=("sum",))


def test_a_side_that_fails_ends_the_bench_with_its_words() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        printed(["sh", "-c", "echo no such thing >&2; exit 3"])()
    with pytest.raises(RuntimeError, match="status"):
        cpu_time_of(["/bin/false"], times=1)()


def test_libbpfs_side_builds_and_refuses_arguments_that_it_does_not_know(tmp_path: Path) -> None:
    assert subprocess.run([build_peer(tmp_path), "dance"]).returncode == 2


def test_json_has_every_round_and_the_goal() -> None:
    goal = Goal("import purebpf / bare interpreter", "cpu", most=1.5)
    (bench,) = json.loads(as_json([Result(goal, (1.0, 2.0, 3.0), 100.0, 50.0)]))["benches"]
    assert bench["ratios"] == [1.0, 2.0, 3.0]
    assert (bench["ratio"], bench["at_most"], bench["reached"]) == (2.0, 1.5, False)
