"""Which type id a program is loaded with, whose it is, and what is said when there is none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from purebpf.btf import Btf, BtfWriter, Function, FunctionProto, Linkage, Typedef
from purebpf.errors import AttachTargetError, NotSupported, PlanError
from purebpf.plan.attach_target import attach_point
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import NOWHERE, AttachPoint, TargetProgram
from purebpf.plan.target import ModuleTypes, ProgramTypes, Target
from purebpf.spec import ProgramSpec
from purebpf.units import HasFd, TypeId
from tests.writers import ObjectWriter

EXIT = b"\x95" + bytes(7)

FUNCTIONS = ("vfs_read", "bpf_lsm_file_open", "bpf_lsm_file_free", "bpf_iter_task", "bpf_iter_bpf_map", "do_nanosleep")
TYPEDEFS = ("btf_trace_sched_switch", "btf_trace_sched_wakeup")


def types(functions: tuple[str, ...] = (), typedefs: tuple[str, ...] = (), base: Btf | None = None) -> Btf:
    writer = BtfWriter(base=base)
    proto = writer.add(FunctionProto(TypeId(0), ()))
    for name in functions:
        writer.add(Function(name, proto, Linkage.STATIC))
    for name in typedefs:
        writer.add(Typedef(name, proto))
    return Btf.parse(writer.build(), base=base)


@dataclass
class FakeSymbols:
    known: Mapping[str, int] = field(default_factory=dict)

    def addresses(self, name: str) -> tuple[int, ...]:
        return (self.known[name],) if name in self.known else ()

    def did_you_mean(self, name: str) -> list[str]:
        return []


KERNEL = types(FUNCTIONS, TYPEDEFS)
MODULE = types(("nf_hook", "vfs_read"), ("btf_trace_xfs_read",), KERNEL)


def target(
    kernel: Btf | None = KERNEL,
    *,
    symbols: Mapping[str, int] | None = None,
    programs: Callable[[HasFd | int], ProgramTypes] | None = None,
) -> Target:
    made = Target(
        "test",
        "6.12.3",
        0x060C03,
        "little",
        read_btf=lambda: kernel,
        read_modules=lambda: (ModuleTypes("xfs", lambda: MODULE),),
    )
    if symbols is not None:
        made = replace(made, read_symbols=lambda: FakeSymbols(symbols))
    return replace(made, program_types=programs) if programs is not None else made


def program(section: str, /, **properties: object) -> ProgramSpec:
    spec = open_object(ObjectWriter().function("entry", EXIT, section=section).build())
    return (spec.with_program("entry", **properties) if properties else spec).programs["entry"]


def refusal(section: str, on: Target | None = None, **properties: object) -> str:
    with pytest.raises(AttachTargetError) as caught:
        attach_point(program(section, **properties), on if on is not None else target())
    return str(caught.value)


# ------------------------------------------------------------------ what is found


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("fentry/vfs_read", "vfs_read"),
        ("fexit/vfs_read", "vfs_read"),
        ("fmod_ret/vfs_read", "vfs_read"),
        ("fsession/vfs_read", "vfs_read"),
        ("fentry.s/do_nanosleep", "do_nanosleep"),
        ("fentry/vmlinux:vfs_read", "vfs_read"),
        ("tp_btf/sched_switch", "btf_trace_sched_switch"),
        ("lsm/file_open", "bpf_lsm_file_open"),
        ("lsm.s/file_open", "bpf_lsm_file_open"),
        ("lsm_cgroup/file_open", "bpf_lsm_file_open"),
        ("iter/task", "bpf_iter_task"),
        ("iter.s/bpf_map", "bpf_iter_bpf_map"),
    ],
)
def test_the_kernels_own_types_are_searched_by_the_name_of_the_kind(section: str, name: str) -> None:
    assert attach_point(program(section), target()) == AttachPoint(KERNEL.find(name)[0])


def test_a_module_is_searched_after_the_kernel_and_told_by_name() -> None:
    hook, xfs = MODULE.find("nf_hook")[0], MODULE.find("btf_trace_xfs_read")[0]
    assert attach_point(program("fentry/nf_hook"), target()) == AttachPoint(hook, "xfs")
    assert attach_point(program("tp_btf/xfs_read"), target()) == AttachPoint(xfs, "xfs")


def test_a_named_module_is_asked_alone_and_not_for_what_it_inherits() -> None:
    (inherited, own) = MODULE.find("vfs_read")
    assert attach_point(program("fentry/xfs:vfs_read"), target()) == AttachPoint(own, "xfs")
    assert attach_point(program("fentry/vfs_read"), target()) == AttachPoint(inherited)
    text = refusal("fentry/xfs:do_nanosleep")
    assert "kernel module 'xfs' has no function 'do_nanosleep'\n  the kernel itself has one\n" in text
    assert text.endswith("name that one: 'vmlinux:do_nanosleep'")
    assert "know no function 'nf_hook'" in refusal("fentry/vmlinux:nf_hook")


@pytest.mark.parametrize("section", ["kprobe/vfs_read", "fentry.multi/vfs_*", "tp/a/b", "xdp", "struct_ops/init"])
def test_other_sections_have_no_such_target(section: str) -> None:
    assert attach_point(program(section), target(None)) is NOWHERE


def test_the_target_can_be_set_before_loading() -> None:
    found = attach_point(program("fentry", attach_to="vfs_read"), target())
    assert found == AttachPoint(KERNEL.find("vfs_read")[0])
    assert attach_point(program("kprobe/x", section="lsm/file_open"), target()).btf_id == KERNEL.find_one(
        "bpf_lsm_file_open"
    )


def test_the_plan_of_a_program_names_its_target() -> None:
    spec = open_object(ObjectWriter().function("entry", EXIT, section="fentry/xfs:nf_hook").build())
    (step,) = plan_object(spec, target()).programs()
    assert step.attach == AttachPoint(MODULE.find("nf_hook")[0], "xfs")
    assert f"target type {step.attach.btf_id} of module 'xfs'" in str(step)


# ------------------------------------------------------------------ other programs


class Loaded:
    def fileno(self) -> int:
        return 17


def program_types(_: HasFd | int) -> ProgramTypes:
    return ProgramTypes("pass_all", 42, types(("pass_all", "pick_port")))


@pytest.mark.parametrize("section", ["freplace/pick_port", "fentry/pick_port", "fexit.s/pick_port"])
def test_a_target_program_is_searched_instead_of_the_kernel(section: str) -> None:
    loaded = Loaded()
    found = attach_point(program(section, target_program=loaded), target(None, programs=program_types))
    assert found.program == TargetProgram("pass_all", 42, loaded)
    assert found.program is not None
    assert found.program.fd == 17
    assert found.btf_id == types(("pass_all", "pick_port")).find_one("pick_port")
    assert str(found) == f"type {found.btf_id} of program 'pass_all' (id 42)"


def test_a_target_program_may_be_given_by_its_fd_and_its_function_by_name() -> None:
    given = program("freplace", target_program=5, attach_to="pass_all")
    found = attach_point(given, target(None, programs=program_types))
    assert found.program is not None
    assert found.program.fd == 5


def test_freplace_without_a_target_program_is_refused() -> None:
    text = refusal("freplace/pick_port")
    assert "replaces function 'pick_port' of a program that was not given" in text
    assert "spec.with_program('entry', target_program=<the loaded program>)" in text


def test_a_function_that_the_target_program_lacks_is_refused_with_the_near_names() -> None:
    on = target(None, programs=program_types)
    assert "did you mean 'pick_port'?" in refusal("freplace/pick_prot", on, target_program=5)
    assert "it has: pass_all, pick_port" in refusal("freplace/xyz", on, target_program=5)
    assert "the target program has: pass_all, pick_port" in refusal("freplace", on, target_program=5)


def test_a_program_that_replaces_a_function_is_not_advised_to_replace_the_kernels() -> None:
    assert 'SEC("freplace/NAME")' in refusal("freplace")
    text = refusal("freplace", target(None, programs=program_types), target_program=5)
    assert 'SEC("freplace/pass_all")' in text
    assert "attach_to='pass_all'" in text


def test_a_function_of_another_module_is_told_with_its_module() -> None:
    nf = types(("other",), base=KERNEL)
    modules = ModuleTypes("nf", lambda: nf), ModuleTypes("xfs", lambda: MODULE)
    on = replace(target(), read_modules=lambda: modules)
    text = refusal("fexit/nf:nf_hook", on)
    assert "module 'xfs' has one\nname that one: 'xfs:nf_hook'" in text


def test_a_target_program_without_types_is_refused() -> None:
    on = target(None, programs=lambda _: ProgramTypes("old", 1, None))
    assert "the target program 'old' was loaded without types" in refusal("freplace/f", on, target_program=5)


def test_a_description_of_another_kernel_knows_no_loaded_programs() -> None:
    with pytest.raises(PlanError, match="can only be planned for the running kernel"):
        attach_point(program("freplace/f", target_program=5), target())


# ------------------------------------------------------------------ what is not found


@pytest.mark.parametrize(
    ("section", "noun", "example"),
    [
        ("fentry", "function", 'SEC("fentry/do_unlinkat")'),
        ("tp_btf", "raw tracepoint", "sched_switch"),
        ("lsm.s", "LSM hook", 'SEC("lsm.s/file_open")'),
        ("iter", "iterator", "attach_to='task'"),
    ],
)
def test_a_section_without_a_name_is_refused_and_told_how_to_name_one(section: str, noun: str, example: str) -> None:
    text = refusal(section)
    assert f"section '{section}' does not name the {noun} that it goes to" in text
    assert example in text


def test_near_names_are_told_without_the_prefix_of_their_kind() -> None:
    assert "did you mean 'vfs_read'?" in refusal("fentry/vfs_raed")
    assert "did you mean 'file_open'?" in refusal("lsm/file_opn")
    assert "there are: bpf_map, task" in refusal("iter/xyz")
    text = refusal("tp_btf/sched/sched_switch")
    assert "raw tracepoints are named without their category: 'sched_switch'" in text


def test_the_symbols_tell_what_became_of_a_function_without_types() -> None:
    on = target(symbols={"asm_thing": 1, "cut_up.isra.0": 2, "cut_up.cold": 3})
    assert "written in assembly" in refusal("fentry/asm_thing", on)
    assert "the compiler made 'cut_up.isra.0' and 'cut_up.cold' of it" in refusal("fentry/cut_up", on)
    assert "it was inlined, it is in a module that is not loaded" in refusal("fentry/gone", on)
    assert "inlined" not in refusal("fentry/gone", target())


def test_a_module_that_is_not_loaded_is_named() -> None:
    text = refusal("fentry/xsf:f")
    assert "wanted from kernel module 'xsf', which is not loaded or has no types" in text
    assert "modprobe xsf" in text


def test_a_kernel_without_types_is_told_the_option_that_makes_them() -> None:
    with pytest.raises(NotSupported, match="CONFIG_DEBUG_INFO_BTF") as caught:
        attach_point(program("fentry/vfs_read"), target(None))
    assert "program 'entry'" in str(caught.value)


def test_a_kernel_without_hooks_for_bpf_is_told_the_option_that_makes_them() -> None:
    with pytest.raises(NotSupported, match="CONFIG_BPF_LSM"):
        attach_point(program("lsm/file_open"), target(types(("vfs_read",))))
