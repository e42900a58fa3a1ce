"""How two sides are compared: rounds that take turns, a ratio a round, the median of the ratios.

A side is a command that prints its figures, or whose own CPU time is the figure. Each round runs both sides one
after the other, and which goes first changes from round to round, so that a machine that slows down or speeds up
meanwhile touches both. Only CPU time counts: the machine may be busy with other things.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Figures = Mapping[str, int]
Side = Callable[[], Figures]


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio of CPU times, or of other figures, to reach: at most `most`, or at least `least` of theirs to ours."""

    name: str
    figure: str
    most: float | None = None
    least: float | None = None
    allowance: int = 0
    """Added to theirs before it is compared."""


@dataclass(frozen=True, slots=True)
class Result:
    """One goal's outcome. `ratios` are ours to theirs, theirs to ours where `least` is the goal."""

    goal: Goal
    ratios: tuple[float, ...]
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """The median over the rounds."""
        return median(self.ratios)

    @property
    def reached(self) -> bool:
        """Whether the goal is met."""
        if self.goal.least is not None:
            return self.ratio >= self.goal.least
        return self.goal.most is None or self.ratio <= self.goal.most


def compare(goals: Sequence[Goal], ours: Side, theirs: Side, *, rounds: int, same: Sequence[str] = ()) -> list[Result]:
    """Run both sides `rounds` times in turn; the figures named in `same` must be equal on both sides each time."""
    mine: list[Figures] = []
    other: list[Figures] = []
    for number in range(rounds):
        order = ((ours, mine), (theirs, other))
        for side, figures in order if number % 2 == 0 else reversed(order):
            figures.append(side())
        for name in same:
            if mine[-1][name] != other[-1][name]:
                raise AssertionError(f"{name}: {mine[-1][name]} here, {other[-1][name]} there: not the same work")
    return [_result(goal, mine, other) for goal in goals]


def _result(goal: Goal, mine: Sequence[Figures], other: Sequence[Figures]) -> Result:
    pairs = [(m[goal.figure], o[goal.figure] + goal.allowance) for m, o in zip(mine, other, strict=True)]
    ratios = tuple(o / m if goal.least is not None else m / o for m, o in pairs)
    return Result(goal, ratios, median(m for m, _ in pairs), median(o for _, o in pairs))


def printed(command: Sequence[str]) -> Side:
    """A side that prints its figures, one "name value" a line."""

    def run() -> Figures:
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            raise RuntimeError(f"{' '.join(command)}: {answer.stderr.strip() or answer.returncode}")
        return {name: int(value) for name, value in map(str.split, answer.stdout.splitlines())}

    return run


def cpu_time_of(command: list[str], *, times: int) -> Side:
    """A side whose figure, "cpu", is the CPU time of the command itself, `times` runs of it, in nanoseconds."""

    def run() -> Figures:
        spent = 0.0
        for _ in range(times):
            child = os.posix_spawn(command[0], command, os.environ)
            _, status, usage = os.wait4(child, 0)
            if status:
                raise RuntimeError(f"{' '.join(command)}: status {status}")
            spent += usage.ru_utime + usage.ru_stime
        return {"cpu": round(spent * 1e9)}

    return run
