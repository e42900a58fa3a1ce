"""Objects in the running kernel: what it says of them, how they run, what it refuses and what is left."""

import errno
import gc
import json
import logging
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
from purebpf.errors import KernelError, NotPermitted, PlanError, UnresolvedExtern, VerifierError
from purebpf.host.version import running_version
from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R6
from purebpf.live.kernel import RunningKernel
from purebpf.live.loader import execute
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import LoadPlan
from purebpf.plan.target import encode_version
from purebpf.syscall import objects
from purebpf.uapi import MapType
from tests.fakes import FailingKernel, RecordingKernel, interrupted, refused
from tests.kernel.trampolines import load_unless_locked_down
from tests.kernel.unprivileged import without_capabilities
from tests.writers import ObjectWriter

BUILT = Path(__file__).parents[2] / "bpf" / "built"
# Made of rows that no one kernel takes (sections*), of what is refused on purpose (unknown_section), or by clang for
# another program type than its own (isa).
NOT_TO_LOAD = ("sections", "sections_btf", "sections_new", "unknown_section", "isa")
LOADABLE = sorted(path.name.split(".")[0] for path in BUILT.glob("*.bpf.o"))
LOADABLE = [name for name in LOADABLE if name not in NOT_TO_LOAD]
# What calls a kernel function that only newer kernels have: the first of these, and the function.
NEWER = {"exception_callback": ("6.7", "bpf_throw")}
FAULTED = ("maps", "map_in_map", "tailcall", "globals", "pinned", "subprogs", "execs")

BpfFile = Callable[[str], Path]


def plan_of(name: str, pins: Path) -> LoadPlan:
    """The plan of a built object, pinning below `pins`."""
    return plan_object(open_object(BUILT / f"{name}.bpf.o"), purebpf.running_target(), pin_root=str(pins))


# ------------------------------------------------------------------ what the kernel says of a load


@pytest.mark.parametrize("name", LOADABLE)
def test_an_object_loads_and_the_kernel_describes_it_as_planned(name: str, bpffs: Path) -> None:
    since, function = NEWER.get(name, ("0.0", ""))
    if running_version() < encode_version(since):
        with pytest.raises(UnresolvedExtern, match=f"'{function}' cannot be had"):
            plan_of(name, bpffs)
        return
    plan = plan_of(name, bpffs)
    made = load_unless_locked_down(plan)
    if made is None:
        return
    with made as loaded:
        assert list(loaded.maps) == [step.name for step in plan.maps()]
        for map_step in plan.maps():
            info = objects.map_info(loaded.maps[map_step.name].fileno())
            assert info.name.rstrip(b"\0").decode() == map_step.kernel_name
            assert (info.type, info.key_size, info.value_size) == (
                map_step.type,
                map_step.key_size,
                map_step.value_size,
            )
            assert info.max_entries == map_step.max_entries
        for program_step in plan.programs():
            program = loaded.programs[program_step.name]
            assert program.info().name.rstrip(b"\0").decode() == program_step.kernel_name
            assert program.info().type == program_step.type
            held = set(objects.prog_map_ids(program.fd))
            named = {slot.map for slot in program_step.slots}
            assert held >= {objects.map_info(loaded.maps[used].fileno()).id for used in named}


def test_bpftool_shows_the_same(bpf_object: BpfFile) -> None:
    tool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    with purebpf.load(bpf_object("execs")) as loaded:
        for name, found in loaded.maps.items():
            info = objects.map_info(found.fileno())
            shown = {"id": info.id, "name": info.name.rstrip(b"\0").decode(), "bytes_value": info.value_size}
            if tool is not None:
                text = subprocess.run([tool, "-j", "map", "show", "id", str(info.id)], capture_output=True, check=True)
                answer = json.loads(text.stdout)
                shown = {key: answer[key] for key in shown}
            step = next(step for step in loaded.plan.maps() if step.name == name)
            assert shown == {"id": info.id, "name": step.kernel_name, "bytes_value": step.value_size}


def test_references_in_the_kernels_code_are_the_objects_maps(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("globals")) as loaded:
        program = loaded.programs["add_up"]
        code = objects.prog_xlated(program.fd)
        (step,) = loaded.plan.programs()
        ids = {name: objects.map_info(found.fileno()).id for name, found in loaded.maps.items()}
        # The kernel gives ids for fds and offsets as they were; addresses are in the order of the slots.
        loads = [at for at in range(0, len(code), 8) if code[at] == 0x18 and code[at + 1] >> 4 == 2]
        seen = [
            (int.from_bytes(code[at + 4 : at + 8], "little"), int.from_bytes(code[at + 12 : at + 16], "little"))
            for at in loads
        ]
        assert seen == [(ids[slot.map], slot.offset) for slot in step.slots]


# ------------------------------------------------------------------ it runs


def test_values_given_before_the_load_are_seen_by_the_program_and_globals_are_live(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("globals"))
    with purebpf.load(spec) as plain, purebpf.load(spec.with_values(rodata_limit=1010, data_int=142)) as changed:
        for loaded in (plain, changed):
            assert loaded.programs["add_up"].test_run().retval == 0
        before, after = plain.variables["sum"], changed.variables["sum"]
        assert after - before == (1010 - 10) + (142 - 42)
        assert changed.variables["bss_counter"] == 1
        changed.variables["data_int"] = 1142
        changed.programs["add_up"].test_run()
        # The second run sees what the first one left: two statics one larger, another two.
        assert changed.variables["sum"] - after == 1000 + 1 + 1 + 2
        assert changed.variables["bss_counter"] == 2


def test_a_map_of_maps_leads_to_its_inner_maps(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("map_in_map")) as loaded:
        for slot, expected in ((1, 0), (3, 0), (3, 0), (0, 1)):
            loaded.variables["chosen"] = slot
            assert loaded.programs["bump"].test_run().retval == expected
        assert [loaded.maps[name][0] for name in ("inner_a", "inner_b")] == [1, 2]


def test_tail_calls_go_where_the_file_says(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("tailcall")) as loaded:
        answers = []
        for slot in range(3):
            loaded.variables["slot"] = slot
            answers.append(loaded.programs["entry"].test_run(bytes(64)).retval)
        assert answers == [101, 1, 103]


def test_subprograms_and_callbacks_run(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("subprogs")) as loaded:
        assert loaded.programs["calls_leaf"].test_run().retval == 1 * 3 + 3
        # leaf(2), the sum of the turns 0..9, and for each of the four entries leaf(key).
        expected = (2 * 3 + 3) + sum(range(10)) + sum(key * 3 + 3 for key in range(4))
        assert loaded.programs["uses_callbacks"].test_run().retval == expected


def test_programs_are_loaded_as_asked(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("subprogs")).with_programs("not_loaded_by_itself")
    with purebpf.load(spec) as loaded:
        assert list(loaded.programs) == ["not_loaded_by_itself"]
        assert loaded.programs["not_loaded_by_itself"].test_run().retval == (11 * 3 + 3) + (12 * 3 + 3)


def test_many_programs_without_types_load() -> None:
    file = ObjectWriter()
    code = Assembler().mov(R0, 2).exit()
    for number in range(50):
        file.function(f"p{number}", code, section="xdp")
    with purebpf.load(file.build()) as loaded:
        assert {program.test_run(bytes(64)).retval for program in loaded.programs.values()} == {2}


# ------------------------------------------------------------------ pinned maps


def test_a_map_pinned_by_name_is_shared_by_loads(bpffs: Path) -> None:
    plan = plan_of("pinned", bpffs)
    for turns in (1, 2):
        with purebpf.load(plan) as loaded:
            loaded.programs["count"].test_run()
            assert loaded.maps["purebpf_pinned"][1] == turns
    assert (bpffs / "purebpf_pinned").exists()


def test_a_pinned_map_of_another_shape_is_refused_by_the_field(bpffs: Path) -> None:
    purebpf.load(plan_of("pinned", bpffs)).close()
    other = open_object(BUILT / "pinned.bpf.o").with_map("purebpf_pinned", max_entries=9)
    plan = plan_object(other, purebpf.running_target(), pin_root=str(bpffs))
    with pytest.raises(KernelError, match="max_entries: pinned 8, declared 9"):
        purebpf.load(plan)


@pytest.mark.parametrize("kind", [MapType.DEVMAP, MapType.DEVMAP_HASH])
def test_a_pinned_map_whose_flags_the_kernel_changed_is_the_same_map(kind: MapType, bpffs: Path) -> None:
    file = ObjectWriter().legacy_map("devices", type=kind, max_entries=2)
    spec = open_object(file.build()).with_map("devices", pinning=1)
    plan = plan_object(spec, purebpf.running_target(), pin_root=str(bpffs))
    for _ in range(2):
        purebpf.load(plan).close()


def test_a_pinned_program_is_not_taken_for_a_map(bpffs: Path) -> None:
    with purebpf.load(BUILT / "numbers.bpf.o") as loaded:
        loaded.programs["increment"].pin(str(bpffs / "purebpf_pinned"))
    with pytest.raises(KernelError, match=f"'{bpffs}/purebpf_pinned': what is pinned there is no map, but a prog"):
        purebpf.load(plan_of("pinned", bpffs))


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("program", "complaint", "source"),
    [
        ("never_ends", "loop", "turns++;"),
        ("packet_not_checked", "invalid access to packet", "return *(__u8 *)(long)ctx->data;"),
        ("helper_not_allowed", "bpf_override_return", "return bpf_override_return((void *)skb, 1);"),
        ("beyond_the_context", "off=32768", "return ctx[4096];"),
    ],
)
def test_the_verifiers_verdict_stands_in_the_message_with_its_line_of_c(
    bpf_object: BpfFile, program: str, complaint: str, source: str
) -> None:
    spec = purebpf.open(bpf_object("rejected")).with_programs(program)
    with pytest.raises(VerifierError) as caught:
        purebpf.load(spec)
    error = caught.value
    assert error.errno in (errno.EACCES, errno.EINVAL)
    assert error.source is not None
    text = str(error)
    assert text.startswith(f"cannot load program '{program}' (")
    assert f"verifier at instruction {error.insn}, rejected.bpf.c:" in text
    assert source in text
    if program == "helper_not_allowed":
        assert "helper" in error.complaint or complaint in error.complaint
    else:
        assert complaint in error.complaint
    assert text.splitlines()[-1].endswith(" in .log)") or " in .log)" in text


def test_a_long_log_is_had_whole() -> None:
    """The verifier walks a loop turn by turn and logs each: some hundred KiB, with the verdict at the end."""
    code = Assembler().mov(R6, 0).label("turn").alu(R6, "+=", 1).jump_if(R6, "!=", 6000, "turn")
    file = ObjectWriter().function("long", code.load(R0, R0, 0).exit(), section="socket")
    with pytest.raises(VerifierError) as caught:
        purebpf.load(file.build())
    assert len(caught.value.log) > 256 << 10
    assert caught.value.log.startswith("0: ") or caught.value.log.splitlines()[0].endswith("0")
    assert "R0 !read_ok" in caught.value.complaint
    assert len(str(caught.value)) < 1000


def test_missing_capabilities_are_named() -> None:
    def attempt() -> str:
        try:
            purebpf.load(BUILT / "numbers.bpf.o").close()
        except NotPermitted as error:
            return f"{type(error).__name__}: {error}"
        return "loaded"

    answer = without_capabilities(attempt)
    assert answer.startswith("NotPermitted: cannot ")
    assert "EPERM" in answer
    assert "this process lacks CAP_BPF" in answer


# ------------------------------------------------------------------ nothing is left


@pytest.mark.parametrize("error", [refused, interrupted])
@pytest.mark.parametrize("name", FAULTED)
def test_whatever_request_fails_nothing_is_left(
    name: str, error: Callable[[str, str], BaseException], bpffs: Path
) -> None:
    plan = plan_of(name, bpffs)
    recording = RecordingKernel(RunningKernel())
    execute(plan, recording).close()
    _remove_pins(bpffs)
    descriptors, seen = set(os.listdir("/proc/self/fd")), _Ids()
    for step in range(len(recording.requests)):
        kernel = FailingKernel(seen, step, error)
        try:
            execute(plan, kernel).close()
            _remove_pins(bpffs)
        except (KernelError, KeyboardInterrupt):
            pass
        assert set(os.listdir("/proc/self/fd")) == descriptors, f"request {step}"
        assert not list(bpffs.iterdir()), f"request {step}"
    seen.wait_until_gone()


def _remove_pins(folder: Path) -> None:
    for pin in folder.iterdir():
        pin.unlink()


class _Ids(RunningKernel):
    """The running kernel; remembers the ids of the maps and programs it made."""

    def __init__(self) -> None:
        self.maps: set[int] = set()
        self.programs: set[int] = set()

    def create_map(self, step, **given):  # type: ignore[no-untyped-def]
        made = super().create_map(step, **given)
        self.maps.add(objects.map_info(made.number).id)
        return made

    def load_program(self, step, code, **given):  # type: ignore[no-untyped-def]
        made = super().load_program(step, code, **given)
        self.programs.add(objects.prog_info(made.number).id)
        return made

    def wait_until_gone(self) -> None:
        """The kernel gives ids back soon after the last reference goes, in a worker of its own."""
        assert self.maps or self.programs
        deadline = time.monotonic() + 20
        while left := self.maps & set(objects.ids("map")) | self.programs & set(objects.ids("prog")):
            assert time.monotonic() < deadline, f"ids {sorted(left)} are still there"
            time.sleep(0.01)


def test_closing_twice_is_fine_and_a_closed_object_gives_nothing(bpf_object: BpfFile) -> None:
    loaded = purebpf.load(bpf_object("globals"))
    assert loaded.variables["data_int"] == 42
    program = loaded.programs["add_up"]
    loaded.close()
    loaded.close()
    assert loaded.closed
    for use in (lambda: program.fd, program.test_run, lambda: loaded.variables["data_int"]):
        with pytest.raises(ValueError, match=r"closed|released"):
            use()


def test_a_forgotten_object_warns_and_is_closed(bpf_object: BpfFile) -> None:
    before = set(os.listdir("/proc/self/fd"))
    loaded = purebpf.load(bpf_object("numbers"))
    assert set(os.listdir("/proc/self/fd")) != before
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del loaded
        gc.collect()
    assert "object 'numbers' was never closed" in [str(w.message) for w in caught if w.category is ResourceWarning]
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_is_refused_in_planning_asks_nothing_of_the_kernel(bpf_object: BpfFile) -> None:
    kernel = RecordingKernel(RunningKernel())
    with pytest.raises(PlanError):
        purebpf.load(purebpf.open(bpf_object("unknown_section")), kernel=kernel)
    assert not kernel.requests


# ------------------------------------------------------------------ the log


def test_the_debug_log_names_all_that_libbpfs_does(bpf_object: BpfFile, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="purebpf"), purebpf.load(bpf_object("globals")) as loaded:
        text = caplog.text
        for name, found in loaded.maps.items():
            assert f"map '{name}': fd {found.fileno()}" in text
        assert f"program 'add_up': fd {loaded.programs['add_up'].fd}" in text
        for function in loaded.spec.functions.values():
            for reference in function.references:
                assert f"add_up+{reference.insn}: value of map '{reference.map}'" in text  # type: ignore[union-attr]
        assert "program 'add_up': section 'syscall'" in text
        assert "section 1 '" in text
        assert "BTF: fd " in text
        assert {record.name for record in caplog.records} == {"purebpf.globals"}


def test_the_debug_log_names_each_link(bpf_object: BpfFile, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="purebpf"), purebpf.attached(bpf_object("minimal")) as minimal:
        link = minimal.links["handle_write"]
        assert f"{link.what}: link fd {link.fd}" in caplog.text
        assert {record.name for record in caplog.records} == {"purebpf.minimal"}


def test_the_debug_log_names_a_link_that_was_made_by_hand(
    bpf_object: BpfFile, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="purebpf"), purebpf.load(bpf_object("minimal")) as minimal:
        program = minimal.programs["handle_write"]
        for attach in (program.attach, lambda: program.attach_tracepoint("syscalls", "sys_enter_write")):
            caplog.clear()
            with attach() as link:
                assert caplog.text.count(f"{link.what}: link fd {link.fd}") == 1


def test_without_debug_nothing_is_logged(bpf_object: BpfFile, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="purebpf"):
        purebpf.load(bpf_object("globals")).close()
    assert not caplog.records


def test_the_first_load_of_a_process_imports_no_enum_and_nothing_that_comes_with_it() -> None:
    program = """
import sys
import purebpf
before = set(sys.modules)
purebpf.load(purebpf.open("bpf/built/bootstrap.bpf.o")).close()
print(*set(sys.modules) - before)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    loaded = set(done.stdout.split())
    assert "purebpf.live.loader" in loaded
    assert not loaded & {"array", "collections", "enum", "functools", "keyword", "operator", "reprlib", "types"}
