"""Whether an object will load on a kernel that need not be here."""

import pytest

import purebpf
from purebpf.btf import CoreKind, Enum, Enumerator, Int, Member, Struct
from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1, R2
from purebpf.preflight.judge import check
from purebpf.preflight.report import Report, Verdict
from purebpf.spec.model import ObjectSpec
from purebpf.units import BitOffset, TypeId
from tests.unit.preflight.kernels import FUNCTIONS, kernel, kernel_btf
from tests.writers import TypedObjectWriter

EXIT = Assembler().mov(R0, 0).exit()


def _spec(code: Assembler = EXIT, section: str = "socket", file: TypedObjectWriter | None = None) -> ObjectSpec:
    file = file if file is not None else TypedObjectWriter()
    return purebpf.open(file.function("entry", code, section=section).build(), name="object")


def _reasons(report: Report) -> list[str]:
    return [finding.reason for finding in report.findings]


def test_what_a_kernel_has_loads() -> None:
    report = check(_spec(), kernel("6.12"))
    assert (report.verdict, report.programs, report.findings) == (Verdict.LOADS, {"entry": Verdict.LOADS}, ())


def test_a_program_that_a_load_leaves_out_is_named_and_not_judged() -> None:
    report = check(_spec(section="?socket"), kernel("6.12"))
    assert (report.programs, report.left_out) == ({}, ("entry",))
    assert report.to_json()["left_out"] == ["entry"]


def test_a_program_type_that_is_younger_than_the_kernel_is_told() -> None:
    report = check(_spec(section="netfilter"), kernel("6.1", programs=range(32)))
    assert report.verdict is Verdict.FAILS
    assert _reasons(report)[0] == "the kernel is older than programs of type netfilter"


def test_a_kernel_built_without_a_program_type_is_told_with_the_option() -> None:
    report = check(_spec(section="lwt_in"), kernel("6.12"))
    assert _reasons(report) == ["the kernel was built without CONFIG_LWTUNNEL_BPF, which programs of type lwt_in need"]
    has = kernel("6.12", functions=(*FUNCTIONS, "lwt_in_func_proto"))
    assert check(_spec(section="lwt_in"), has).verdict is Verdict.LOADS


def test_an_attach_type_that_is_younger_than_the_kernel_is_told() -> None:
    there = kernel("6.1", attachments=range(44), functions=(*FUNCTIONS, "sock_addr_func_proto"))
    report = check(_spec(section="cgroup/connect_unix"), there)
    assert report.verdict is Verdict.FAILS
    assert _reasons(report) == ["the kernel is older than attach type cgroup_unix_connect"]


@pytest.mark.parametrize(
    ("section", "attach"),
    [
        ("kprobe.multi/x", "trace_kprobe_multi"),
        ("uprobe.multi/x:y", "trace_uprobe_multi"),
        ("tcx/ingress", "tcx_ingress"),
    ],
)
def test_where_the_kernel_looks_at_the_attach_type_later_the_program_loads(section: str, attach: str) -> None:
    there = kernel("5.15", attachments=range(42), functions=(*FUNCTIONS, "tc_cls_act_func_proto"))
    report = check(_spec(section=section), there)
    assert (report.verdict, report.programs) == (Verdict.LOADS, {"entry": Verdict.LOADS})
    assert _reasons(report) == [
        f"it loads and cannot be attached as its section says: the kernel is older than attach type {attach}"
    ]


def test_a_helper_that_the_kernel_does_not_have_is_named() -> None:
    report = check(_spec(Assembler().call(211).exit()), kernel("6.1", helpers=range(211)))
    (finding,) = report.findings
    assert (finding.need, finding.name) == ("helper", "bpf_cgrp_storage_delete")
    assert "at instruction 0" in finding.reason


def test_a_helper_behind_a_branch_that_is_not_taken_is_no_trouble() -> None:
    guarded = Assembler().mov(R1, 0).jump_if(R1, "==", 0, "end").call(211).label("end").mov(R0, 0).exit()
    assert check(_spec(guarded), kernel("6.1", helpers=range(211))).verdict is Verdict.LOADS


def test_a_map_type_that_is_younger_than_the_kernel_is_a_finding_of_the_map() -> None:
    file = TypedObjectWriter().map("cgroups", type=32, max_entries=0, map_flags=1)
    report = check(_spec(file=file), kernel("6.1", maps=range(32)))
    assert report.maps == {"cgroups": Verdict.FAILS}
    assert report.programs == {"entry": Verdict.LOADS}
    assert _reasons(report) == ["the kernel is older than maps of type cgrp_storage"]


def test_a_map_without_entries_is_told() -> None:
    file = TypedObjectWriter()
    file.map("counts", type=1, key=file.integer(4), value=file.integer(4))
    assert _reasons(check(_spec(file=file), kernel("6.12"))) == ["a map of type hash needs max_entries"]


def test_a_map_of_maps_that_does_not_say_of_what_kind_is_told() -> None:
    file = TypedObjectWriter().map("outer", type=12, max_entries=1, key_size=4, value_size=4)
    report = check(_spec(file=file), kernel("6.12"))
    assert report.maps == {"outer": Verdict.FAILS}
    assert "what its inner maps are like" in _reasons(report)[0]


def test_a_slot_beyond_max_entries_is_told() -> None:
    spec = purebpf.open("bpf/built/map_in_map.bpf.o").with_map("by_index", max_entries=2)
    report = check(spec, kernel("6.12"))
    assert report.verdict is Verdict.FAILS
    assert "slot 3 of map 'by_index' holds map 'inner_b', and its max_entries is 2" in _reasons(report)


def test_programs_in_slots_of_each_other_load() -> None:
    spec = purebpf.open("bpf/built/tailcall.bpf.o")
    report = check(spec, kernel("6.12", functions=(*FUNCTIONS, "raw_tp_prog_func_proto")))
    assert set(report.programs.values()) == {Verdict.LOADS}


def test_a_slot_of_a_program_that_a_load_leaves_out_is_told() -> None:
    spec = purebpf.open("bpf/built/tailcall.bpf.o").with_program("second", autoload=False)
    reasons = _reasons(check(spec, kernel("6.12")))
    assert "slot 2 of map 'jumps' names program 'second', which is not loaded" in reasons


def test_a_slot_of_a_program_beyond_max_entries_fails_that_program() -> None:
    spec = purebpf.open("bpf/built/tailcall.bpf.o").with_map("jumps", max_entries=2)
    report = check(spec, kernel("6.12", functions=(*FUNCTIONS, "raw_tp_prog_func_proto")))
    failing = [name for name, verdict in report.programs.items() if verdict is Verdict.FAILS]
    assert (failing, report.verdict) == (["second"], Verdict.FAILS)


def test_instructions_that_the_release_does_not_have_fail() -> None:
    spec = _spec(Assembler().mov(R0, 7).mov(R2, 2).alu(R0, "s/=", R2).exit())
    report = check(spec, kernel("6.1"))
    assert report.verdict is Verdict.FAILS
    assert "at instruction 2, which came with Linux 6.6" in _reasons(report)[0]
    assert check(spec, kernel("6.6")).verdict is Verdict.LOADS


def test_without_a_release_the_age_that_the_types_show_decides_or_nobody_knows() -> None:
    spec = _spec(Assembler().mov(R0, 7).mov(R2, 2).alu(R0, "s/=", R2).exit())
    assert check(spec, kernel(maps=range(32), attachments=range(44), helpers=range(211))).verdict is Verdict.FAILS
    assert check(spec, kernel()).verdict is Verdict.LOADS
    newest = _spec(Assembler().load_acquire(R1, R2).exit())
    report = check(newest, kernel(maps=range(34)))
    assert report.verdict is Verdict.UNKNOWN
    assert "the target's release is not told" in _reasons(report)[0]


def _asking(code: Assembler, slot: int) -> ObjectSpec:
    """An object that reads `gone` of a struct that no kernel here has, at `slot`."""
    file = TypedObjectWriter(license=None)
    file.types.add(Int("int", 4, 32, signed=True))
    file.types.add(Struct("unheard_of", 8, (Member("gone", TypeId(1), BitOffset(32)),)))
    file.function("entry", code, section="socket")
    file.records.core("socket", 8 * slot, 2, "0:0", CoreKind.FIELD_BYTE_OFFSET)
    return purebpf.open(file.build(), name="object")


def test_an_access_that_cannot_be_placed_fails_where_the_code_reaches_it() -> None:
    report = check(_asking(Assembler().mov(R0, 4).exit(), 0), kernel("6.12"))
    (finding,) = report.findings
    assert (finding.verdict, finding.need) == (Verdict.FAILS, "type")
    assert "'struct unheard_of' is not in this kernel" in finding.reason


def test_what_several_questions_of_one_member_lack_is_told_once() -> None:
    file = TypedObjectWriter(license=None)
    file.types.add(Int("int", 4, 32, signed=True))
    file.types.add(Struct("unheard_of", 8, (Member("gone", TypeId(1), BitOffset(32)),)))
    file.function("entry", Assembler().mov(R1, 4).mov(R0, 4).exit(), section="socket")
    file.records.core("socket", 0, 2, "0:0", CoreKind.FIELD_BYTE_OFFSET)
    file.records.core("socket", 8, 2, "0:0", CoreKind.FIELD_BYTE_SIZE)
    assert len(check(purebpf.open(file.build(), name="object"), kernel("6.12")).findings) == 1


def test_a_poisoned_constant_of_two_slots_is_one_finding_and_no_call() -> None:
    file = TypedObjectWriter(license=None)
    file.types.add(Enum("unheard_of", 4, (Enumerator("GONE", 7),)))
    file.function("entry", Assembler().ldimm64(R0, 7).exit(), section="socket")
    file.records.core("socket", 0, 1, "0", CoreKind.ENUMVAL_VALUE)
    (finding,) = check(purebpf.open(file.build(), name="object"), kernel("6.12")).findings
    assert finding.need == "type"


def test_an_access_behind_a_branch_that_is_not_taken_is_no_trouble() -> None:
    code = Assembler().mov(R1, 0).jump_if(R1, "==", 0, "end").mov(R0, 4).label("end").mov(R0, 0).exit()
    assert check(_asking(code, 2), kernel("6.12")).verdict is Verdict.LOADS


def test_what_the_target_does_not_tell_is_unknown_and_the_remedy_says_how_to_tell_it() -> None:
    spec = purebpf.open("bpf/built/kconfig.bpf.o")
    report = check(spec, kernel("6.12", functions=(*FUNCTIONS, "tp_prog_func_proto", "raw_tp_prog_func_proto")))
    assert report.verdict is Verdict.UNKNOWN
    assert any("kconfig" in finding.remedy for finding in report.findings)


def test_a_missing_attach_target_is_an_attach_target() -> None:
    report = check(_spec(section="fentry/no_such_function"), kernel("6.12"))
    assert [finding.need for finding in report.findings] == ["attach target"]


def test_only_programs_that_would_be_loaded_are_judged() -> None:
    file = TypedObjectWriter().function("off", Assembler().call(211).exit(), section="?socket")
    report = check(_spec(file=file), kernel("6.1", helpers=range(211)))
    assert report.programs == {"entry": Verdict.LOADS}


def test_an_object_without_programs_is_judged_by_its_maps() -> None:
    file = TypedObjectWriter()
    file.map("counts", type=1, max_entries=1, key=file.integer(4), value=file.integer(4))
    report = check(purebpf.open(file.build(), name="maps"), kernel("6.12"))
    assert (report.verdict, report.maps) == (Verdict.LOADS, {"counts": Verdict.LOADS})


def test_a_target_without_types_is_unknown() -> None:
    bare = purebpf.Target("bare", "6.12", 0x060C00, "little")
    assert check(_spec(), bare).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("release", ["", "6.1", "6.12"])
def test_the_objects_of_this_project_are_judged_without_an_exception(release: str) -> None:
    from tests.repo.source import ROOT

    for path in sorted((ROOT / "bpf" / "built").glob("*.o")):
        report = check(purebpf.open(path), kernel(release))
        assert report.to_json()["verdict"] in ("loads", "fails", "unknown")


def test_a_variable_that_the_symbols_leave_out_is_told_where_the_symbols_are_known() -> None:
    target = kernel("6.12")
    assert target.btf is not None
    (variable,) = target.btf.find("bpf_check")
    spec = _spec(Assembler().ldimm64(R1, variable, source=3).mov(R0, 0).exit())
    assert check(spec, target).verdict is Verdict.UNKNOWN
    for config, verdict in (
        ("CONFIG_KALLSYMS=y\nCONFIG_KALLSYMS_ALL=y", Verdict.LOADS),
        ("CONFIG_KALLSYMS=y\n# CONFIG_KALLSYMS_ALL is not set", Verdict.FAILS),
        ("CONFIG_HZ=250", Verdict.UNKNOWN),
    ):
        assert check(spec, purebpf.Target.from_btf(target.btf, release="6.12", kconfig=config)).verdict is verdict
    hidden = purebpf.Target.from_btf(target.btf, release="6.12", symbols={})
    (finding,) = check(spec, hidden).findings
    assert (finding.need, finding.name) == ("kernel symbol", "bpf_check")
    shown = purebpf.Target.from_btf(target.btf, release="6.12", symbols={"bpf_check": 0x1000})
    assert check(spec, shown).verdict is Verdict.LOADS


@pytest.mark.parametrize("number", [0, 1 << 30, -1])
def test_numbers_that_name_nothing_in_the_kernel_are_the_verifiers_business(number: int) -> None:
    code = Assembler().call_kfunc(number).ldimm64(R1, number & 0x7FFFFFFF, source=3).mov(R0, 0).exit()
    hidden = purebpf.Target.from_btf(kernel("6.12").btf, release="6.12", symbols={})  # type: ignore[arg-type]
    assert check(_spec(code), hidden).verdict is Verdict.LOADS


def test_a_function_that_may_be_a_modules_is_unknown_where_no_module_is_told() -> None:
    spec = purebpf.open("bpf/built/kfunc.bpf.o").with_programs("call_the_absent")
    functions = (*FUNCTIONS, "tp_prog_func_proto", "syscall_prog_func_proto")
    target = kernel("6.12", functions=functions)
    report = check(spec, target)
    assert report.verdict is Verdict.UNKNOWN
    assert report.findings[0].evidence[-1] == "it may be one of a module, and no module's types were given"
    told = purebpf.Target.from_btf(kernel_btf(functions=functions), release="6.12", symbols={})
    assert check(spec, told).verdict is Verdict.FAILS
