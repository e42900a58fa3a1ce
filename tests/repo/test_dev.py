"""`./dev test` counts what ran, names what did not, and ends with the plain total."""

import subprocess

import pytest

from tests.conftest import TESTS
from tools.dev.results import Count, read_junit, skipped_tests, table, total
from tools.dev.tiers import HOST_TIERS, choose

JUNIT = b"""<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="tests.kernel.test_a" name="one" time="1.5"/>
<testcase classname="tests.kernel.test_a" name="two" time="0.5"><failure message="x"/></testcase>
<testcase classname="tests.kernel.test_a.TestB" name="three" time="0">
<skipped message="Skipped: no tcx&#10;more"/></testcase>
<testcase classname="tests.examples.test_c" name="four" time="0"><error message="x"/></testcase>
</testsuite></testsuites>"""


def test_a_report_is_counted_by_tier() -> None:
    assert read_junit(JUNIT, "vm 6.1") == [
        Count("kernel", "vm 6.1", 1, 1, 1, 2.0),
        Count("examples", "vm 6.1", 0, 1, 0, 0.0),
    ]


def test_a_skip_is_listed_with_its_ground() -> None:
    assert skipped_tests(JUNIT) == ["tests.kernel.test_a.TestB.three: no tcx"]


def test_the_total_is_one_plain_line() -> None:
    assert total(read_junit(JUNIT, "vm 6.1")) == "1 passed, 2 failed, 1 skipped"


def test_the_table_names_a_tier_that_did_not_run() -> None:
    lines = table([Count("unit", "host", 1234, 0, 0, 3), Count("kernel", "vm 6.12", reason="no qemu")]).splitlines()
    assert lines[1].split() == ["unit", "host", "1234", "0", "0", "3", "s"]
    assert lines[2].startswith("kernel  vm 6.12  not run: no qemu")


def test_no_argument_chooses_every_tier_and_kernel() -> None:
    assert choose([]) == choose(list(HOST_TIERS))
    assert choose([]).series == ("6.1", "6.12")


def test_vm_and_a_series_choose_that_vm_alone() -> None:
    assert choose(["vm", "6.1", "--", "-x"]) == choose(["6.1", "--", "-x"])
    assert choose(["vm", "6.1"]).tiers == ()


def test_an_unknown_tier_is_refused() -> None:
    with pytest.raises(ValueError, match="no tier 'kernle'"):
        choose(["kernle"])


def test_every_folder_of_tests_is_a_tier() -> None:
    folders = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("*/test_*.py")}
    assert folders <= set(HOST_TIERS)


def test_help_needs_no_set_up_and_names_every_command() -> None:
    shown = subprocess.run([TESTS.parent / "dev", "help"], capture_output=True, text=True, check=True).stdout
    for command in ("demo", "test", "check", "bench", "vm", "bpf"):
        assert f"\n  {command} " in shown
