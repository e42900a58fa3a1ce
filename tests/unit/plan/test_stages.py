"""The stage table: the same functions one by one and all at once."""

from pathlib import Path

import pytest

from purebpf.errors import ElfError, PlanError, RelocationError, SpecError, UnresolvedExtern
from purebpf.plan.stages import STAGES, FileRead, StageResult, open_object, plan_object, trace
from purebpf.plan.steps import LoadPlan
from purebpf.plan.target import Target
from purebpf.relocate.model import AdaptedCode
from purebpf.spec import ObjectSpec
from tests.writers import ObjectWriter

BUILT = Path(__file__).parents[3] / "bpf" / "built"
TARGET = Target("test", "6.12.0", 0x060C00, "little")
EXIT = b"\x95" + bytes(7)
LOAD = b"\x18\x01" + bytes(14)


def test_the_stages_are_eight_and_the_last_needs_a_kernel() -> None:
    assert STAGES == ("read", "describe", "core", "link", "externs", "sanitize", "plan", "execute")


@pytest.mark.parametrize("path", sorted(BUILT.glob("[a-m]*.bpf.o")), ids=lambda path: path.name)
def test_tracing_ends_in_the_plan_that_planning_gives(path: Path) -> None:
    results = list(trace(path, TARGET))
    last = results[-1]
    if last.error is not None:
        with pytest.raises(type(last.error)):
            plan_object(open_object(path), TARGET)
        return
    assert [result.stage for result in results] == list(STAGES[:-1])
    assert last.value == plan_object(open_object(path), TARGET)
    assert all(result.seconds >= 0 for result in results)


def test_each_stage_gives_its_value() -> None:
    values = {result.stage: result.value for result in trace(BUILT / "minimal.bpf.o", TARGET, name="other")}
    assert isinstance(values["read"], FileRead)
    assert isinstance(values["describe"], ObjectSpec)
    assert values["describe"].name == "other"
    assert isinstance(values["core"], AdaptedCode)
    assert [program.name for program in values["link"]] == list(values["describe"].programs)
    assert values["externs"].programs == values["link"]
    assert isinstance(values["sanitize"], bytes)
    assert isinstance(values["plan"], LoadPlan)


def unknown_reference() -> bytes:
    file = ObjectWriter().function("entry", LOAD + EXIT, section="xdp").variable("v", b"x", section="strange")
    return file.address("entry", 0, "v").build()


def needs_extern() -> bytes:
    file = ObjectWriter().function("entry", LOAD + EXIT, section="xdp").extern("CONFIG_HZ")
    return file.address("entry", 0, "CONFIG_HZ").build()


@pytest.mark.parametrize(
    ("data", "stage", "error"),
    [
        (b"no ELF", "read", ElfError),
        (ObjectWriter().section("version", b"1").build(), "describe", SpecError),
        (unknown_reference(), "link", RelocationError),
        (needs_extern(), "externs", UnresolvedExtern),
        (ObjectWriter().function("entry", EXIT, section="own").build(), "plan", PlanError),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_trace_ends_at_the_first_error_which_names_its_stage(data: bytes, stage: str, error: type[Exception]) -> None:
    results = list(trace(data, TARGET))
    last = results[-1]
    assert [result.stage for result in results] == list(STAGES[: STAGES.index(stage) + 1])
    assert (last.stage, last.value, type(last.error)) == (stage, None, error)
    assert last.error is not None
    assert last.error.__notes__ == [f"in stage '{stage}'"]
    assert all(result.error is None for result in results[:-1])


def test_a_trace_is_lazy() -> None:
    results = trace(b"no ELF", TARGET)
    first = next(results)
    assert isinstance(first, StageResult)
    with pytest.raises(StopIteration):
        next(results)


def test_sources_are_paths_bytes_and_open_files() -> None:
    path = BUILT / "minimal.bpf.o"
    from_path = open_object(path)
    assert open_object(str(path)).programs == from_path.programs
    data = path.read_bytes()
    for source in (data, bytearray(data), memoryview(data)):
        assert open_object(source, name="minimal").programs == from_path.programs
    with path.open("rb") as file:
        assert open_object(file).name == "minimal"


def test_the_same_bytes_opened_again_give_the_same_value() -> None:
    data = (BUILT / "globals.bpf.o").read_bytes()
    first = open_object(data, name="again")
    assert open_object(bytearray(data), name="again") is first
    assert open_object(data, name="other").name == "other"


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "changing.bpf.o"
    path.write_bytes((BUILT / "minimal.bpf.o").read_bytes())
    first = open_object(path)
    path.write_bytes((BUILT / "globals.bpf.o").read_bytes())
    assert open_object(path).programs != first.programs


def test_what_was_read_is_shown_each_time_and_a_damaged_file_is_refused_each_time() -> None:
    shown: list[FileRead] = []
    for _ in range(2):
        open_object(BUILT / "minimal.bpf.o", see=shown.append)
        with pytest.raises(ElfError):
            open_object(b"no ELF")
    assert len(shown) == 2


def test_a_large_file_is_not_remembered() -> None:
    data = (BUILT / "minimal.bpf.o").read_bytes().ljust(300_000, b"\0")
    first = open_object(data, name="large")
    assert open_object(data, name="large") is not first
