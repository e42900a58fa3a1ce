"""The verbs that need no kernel, and what they tell the log."""

import logging
import os
from collections.abc import Callable

import pytest

import purebpf
from purebpf.frozen import replace
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


class Reached(Exception):
    """The kernel would be asked now."""


@pytest.fixture
def nothing_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(*_: object, **__: object) -> None:
        raise Reached

    monkeypatch.setattr("purebpf.api.execute", execute)


@pytest.mark.usefixtures("nothing_executed")
def test_a_plan_for_another_kernel_is_loaded_with_a_warning_only() -> None:
    with pytest.raises(Reached), pytest.warns(RuntimeWarning, match=r"made for '6\.12', and the running kernel is"):
        purebpf.load(purebpf.plan(MINIMAL, TARGET))
    for name in (os.uname().release, "the running kernel"):
        with pytest.raises(Reached):
            purebpf.load(purebpf.plan(MINIMAL, replace(TARGET, name=name)))


@pytest.mark.usefixtures("nothing_executed")
def test_a_log_level_is_a_number() -> None:
    plan = purebpf.plan(MINIMAL, replace(TARGET, name="the running kernel"))
    with pytest.raises(TypeError, match="log_level is a number, not str"):
        purebpf.load(plan, log_level="2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="log_size is at least 0 and less than 4294967296, not -1"):
        purebpf.load(plan, log_size=-1)
