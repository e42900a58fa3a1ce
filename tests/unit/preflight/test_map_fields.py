"""Which programs may not use a map because of what its values hold."""

import pytest

import purebpf
from purebpf.btf import BtfWriter, Enum, Enumerator, Function, FunctionProto, Int, Linkage, Member, Struct, Typedef
from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1
from purebpf.plan.target import Target
from purebpf.preflight.judge import check
from purebpf.preflight.report import Finding, Verdict
from purebpf.units import BitOffset, TypeId
from tests.writers import TypedObjectWriter

FIELDS = ("bpf_spin_lock", "bpf_timer", "bpf_wq", "bpf_list_head", "bpf_rb_root")


def _kernel(*structs: str) -> Target:
    """A kernel that knows these structs, and every type of program and map."""
    writer = BtfWriter()
    integer = writer.add(Int("int", 4, 32, signed=True))
    for name in structs:
        writer.add(Struct(name, 4, (Member("val", integer, BitOffset(0)),)))
    for name in ("bpf_prog_type", "bpf_map_type", "bpf_attach_type", "bpf_func_id"):
        writer.add(Enum(name, 4, tuple(Enumerator(f"{name}_{number}", number) for number in range(60))))
    prototype = writer.add(FunctionProto(integer, ()))
    for name in ("bpf_check", "sk_filter_func_proto", "kprobe_prog_func_proto", "xdp_func_proto"):
        writer.add(Function(name, prototype, Linkage.STATIC))
    return Target.from_btf(writer.build(), release="6.12", name="there")


def _findings(field: str, section: str, target: Target) -> tuple[Finding, ...]:
    file = TypedObjectWriter()
    inner = file.types.add(Struct(field, 4, (Member("val", file.integer(4), BitOffset(0)),)))
    named = file.types.add(Typedef("field_t", TypeId(inner)))
    value = file.types.add(
        Struct("value", 8, (Member("count", file.integer(4), BitOffset(0)), Member("field", named, BitOffset(32))))
    )
    file.map("counts", type=2, max_entries=1, key=file.integer(4), value=value)
    # The verifier takes up all maps that are named, also behind an exit.
    code = Assembler().mov(R0, 0).exit().ldimm64(R1, 0).exit()
    file.function("entry", code, section=section).address("entry", 2, "counts")
    return check(purebpf.open(file.build(), name="object"), target).findings


@pytest.mark.parametrize("field", FIELDS)
def test_tracing_programs_may_not_use_maps_with_locks_timers_and_lists(field: str) -> None:
    (finding,) = _findings(field, "kprobe/f", _kernel(*FIELDS))
    assert (finding.verdict, finding.name) == (Verdict.FAILS, field)
    assert finding.reason == (f"it uses map 'counts', whose values hold a {field}: programs of type kprobe may not")
    assert _findings(field, "xdp", _kernel(*FIELDS)) == ()


def test_a_socket_filter_may_not_use_locks_but_the_rest() -> None:
    assert len(_findings("bpf_spin_lock", "socket", _kernel(*FIELDS))) == 1
    assert _findings("bpf_timer", "socket", _kernel(*FIELDS)) == ()


def test_a_struct_that_the_kernel_does_not_know_is_nothing_special_there() -> None:
    assert _findings("bpf_list_head", "kprobe/f", _kernel("bpf_spin_lock")) == ()


def test_other_structs_are_nothing_special() -> None:
    assert _findings("just_a_struct", "kprobe/f", _kernel(*FIELDS)) == ()
