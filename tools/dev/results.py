"""Counts of tests: read from pytest's junit files, shown as the table that ends `./dev test`."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """How many tests of one tier passed, failed and were skipped at one place; `reason` says why none ran."""

    tier: str
    where: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    reason: str = ""


def read_junit(report: bytes, where: str) -> list[Count]:
    """Count the tests of a junit report by tier, the folder below tests/ that their module is in."""
    tallies: dict[str, list[float]] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        module = (case.get("classname") or case.get("name") or "").split(".")
        tier = module[1] if module[0] == "tests" and len(module) > 1 else "?"
        tally = tallies.setdefault(tier, [0, 0, 0, 0.0])
        bad = case.find("failure") is not None or case.find("error") is not None
        tally[1 if bad else 2 if case.find("skipped") is not None else 0] += 1
        tally[3] += float(case.get("time") or 0)
    return [
        Count(tier, where, int(passed), int(failed), int(skipped), seconds)
        for tier, (passed, failed, skipped, seconds) in tallies.items()
    ]


def skipped_tests(report: bytes) -> list[str]:
    """Give a line for each skipped test: what it is and the ground it gave."""
    lines = []
    for case in ElementTree.fromstring(report).iter("testcase"):
        skip = case.find("skipped")
        if skip is not None:
            ground = (skip.get("message") or "").removeprefix("Skipped: ").split("\n")[0]
            lines.append(f"{case.get('classname')}.{case.get('name')}: {ground}")
    return lines


def table(counts: list[Count]) -> str:
    """The counts as a text table, tiers that did not run included."""
    rows = [("tier", "where", "passed", "failed", "skipped", "time")]
    for count in counts:
        if count.reason:
            rows.append((count.tier, count.where, "not run: " + count.reason, "", "", ""))
            continue
        numbers = (str(count.passed), str(count.failed), str(count.skipped), f"{count.seconds:.0f} s")
        rows.append((count.tier, count.where, *numbers))
    ran = [row for row in rows if row[5]]
    widths = [max(len(row[column]) for row in (ran if column > 1 else rows)) for column in range(6)]
    lines = []
    for row in rows:
        names = f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}"
        cells = zip(row[2:], widths[2:], strict=True)
        lines.append(f"{names}  {row[2]}" if not row[5] else f"{names}  " + "  ".join(f"{t:>{w}}" for t, w in cells))
    return "\n".join(lines)


def total(counts: list[Count]) -> str:
    """The plain closing line."""
    passed, failed, skipped = (sum(getattr(c, name) for c in counts) for name in ("passed", "failed", "skipped"))
    return f"{passed} passed, {failed} failed, {skipped} skipped"
