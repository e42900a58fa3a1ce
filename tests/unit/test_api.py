"""The verbs that need no kernel, and what they tell the log."""

import logging
from collections.abc import Callable

import pytest

import purebpf
from purebpf.plan.target import Target
from tests.conftest import BUILT

MINIMAL = BUILT / "minimal.bpf.o"
TARGET = Target("6.12", "6.12.0", 0x060C00, "little")


Told = Callable[[], list[str]]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    """What the object's logger was told so far, its level being debug."""
    caplog.set_level(logging.DEBUG, "purebpf.minimal")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "purebpf.minimal"]


def test_the_log_of_an_object_tells_its_sections_programs_maps_and_relocations(told: Told) -> None:
    purebpf.open(MINIMAL)
    assert any(line.startswith("section 3 'tp/syscalls/sys_enter_write': ") for line in told())
    assert any(line.startswith("program 'handle_write': ") for line in told())
    assert any(line.startswith("map '.bss': ") for line in told())
    assert "  handle_write+2: value of map '.bss' at 0x0 (my_pid)" in told()


def test_the_log_of_a_plan_tells_what_each_stage_made_and_every_step(told: Told) -> None:
    plan = purebpf.plan(MINIMAL, TARGET)
    for stage in ("core", "externs", "sanitize"):
        assert any(line.startswith(f"{stage}: ") for line in told())
    assert set(str(plan).splitlines()) <= set(told())


def test_without_debug_nothing_is_told(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "purebpf.minimal")
    purebpf.plan(MINIMAL, TARGET)
    assert told() == []


def test_a_plan_is_the_same_with_and_without_a_log(told: Told) -> None:
    with_log = purebpf.plan(MINIMAL, TARGET)
    assert told()
    logging.getLogger("purebpf.minimal").setLevel(logging.INFO)
    assert purebpf.plan(MINIMAL, TARGET) == with_log


def test_each_verb_takes_a_path_bytes_or_an_open_file() -> None:
    by_path = purebpf.plan(MINIMAL, TARGET)
    data = MINIMAL.read_bytes()
    assert purebpf.plan(purebpf.open(data, name="minimal"), TARGET).steps == by_path.steps
    with MINIMAL.open("rb") as file:
        assert purebpf.plan(purebpf.open(file), TARGET).steps == by_path.steps


def test_an_object_is_named_after_its_file_up_to_the_first_dot() -> None:
    assert purebpf.open(MINIMAL).name == "minimal"
    assert purebpf.open(MINIMAL, name="other").name == "other"
