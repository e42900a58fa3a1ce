"""struct_ops against a kernel's types: what is copied, what is bound, what is refused."""

from dataclasses import replace
from functools import cache

import pytest

from purebpf.btf import Btf, BtfWriter, FunctionProto, Int, Member, Pointer, Struct
from purebpf.errors import NotSupported, PlanError
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import AttachPoint, CreateMap, FillStructOps, LoadPlan
from purebpf.plan.struct_ops import F_VTYPE_BTF_OBJ_FD
from purebpf.plan.target import ModuleTypes, Target
from purebpf.spec import ObjectSpec
from purebpf.uapi import MapType
from purebpf.units import VOID, BitOffset, TypeId
from tests.unit.spec.ops import OpsWriter, ops_object

# bpf_struct_ops_ops: what the kernel has before the struct itself.
DATA_AT = 64
NUMBER, RUN, STOP = 0, 1, 2


class Kernel:
    """A kernel's types: struct `ops` with `number`, `run` and `stop` in another order than the object's."""

    def __init__(self, *, module: bool = False, link: bool = True, offered: bool = True) -> None:
        base = BtfWriter()
        self.long = base.add(Int("long", 8, 64, signed=True))
        base.add(Struct("nothing", 8, (Member("x", self.long, BitOffset(0)),)))
        if link:
            base.add(Struct("bpf_struct_ops_link", 8, (Member("x", self.long, BitOffset(0)),)))
        self._base = Btf.parse(base.build(), name="vmlinux") if module else None
        self.types = BtfWriter(base=self._base) if self._base is not None else base
        self.callback = self.types.add(Pointer(self.types.add(FunctionProto(VOID, ()))))
        self.module = module
        self.offered = offered
        self.members: list[tuple[str, TypeId]] = [
            ("number", self.long),
            ("run", self.callback),
            ("stop", self.callback),
        ]

    def target(self) -> Target:
        fields = [Member(name, kind, BitOffset(64 * at)) for at, (name, kind) in enumerate(self.members)]
        self.struct = self.types.add(Struct("ops", 8 * len(fields), tuple(fields)))
        if self.offered:
            whole = (Member("common", self.long, BitOffset(0)), Member("data", self.struct, BitOffset(8 * DATA_AT)))
            self.value = self.types.add(Struct("bpf_struct_ops_ops", DATA_AT + 8 * len(fields), whole))
        target = Target("test", "6.12.3", 0x060C03, "little")
        if self._base is None:
            btf = Btf.parse(self.types.build(), name="vmlinux")
            return replace(target, read_btf=cache(lambda: btf))
        own = Btf.parse(self.types.build(), base=self._base, name="mod")
        return replace(
            target, read_btf=lambda: self._base, read_modules=lambda: [ModuleTypes("mod", cache(lambda: own))]
        )


def planned(file: OpsWriter | ObjectSpec, kernel: Kernel | None = None) -> tuple[LoadPlan, CreateMap, FillStructOps]:
    spec = file if isinstance(file, ObjectSpec) else open_object(file.build(), name="test")
    spec = spec.with_program("second", autoload=False)
    made = plan_object(spec, (kernel or Kernel()).target())
    (fill,) = (step for step in made.steps if isinstance(step, FillStructOps))
    return made, next(step for step in made.maps() if step.name == "table"), fill


def refusal(file: OpsWriter | ObjectSpec, kernel: Kernel | None = None) -> str:
    with pytest.raises(PlanError) as caught:
        planned(file, kernel)
    return str(caught.value)


def test_members_are_found_by_name_and_programs_bound_by_the_kernels_index() -> None:
    kernel = Kernel()
    made, create, fill = planned(ops_object(), kernel)
    (program,) = made.programs()
    assert (program.name, program.expected_attach_type) == ("first", RUN)
    assert program.attach == AttachPoint(kernel.struct)
    assert (create.type, create.key_size, create.max_entries) == (MapType.STRUCT_OPS, 4, 1)
    assert (create.value_size, create.kernel_value_type, create.module) == (DATA_AT + 24, kernel.value, None)
    assert (create.key_type, create.value_type, create.flags) == (0, 0, 0)
    assert fill.programs == ((DATA_AT + 8 * RUN, "first"),)
    assert fill.image == bytes(DATA_AT) + (7).to_bytes(8, "little") + bytes(16)


def test_the_value_is_filled_in_after_all_programs_and_nothing_else_is_asked() -> None:
    made, _, fill = planned(ops_object())
    assert [type(step).__name__ for step in made.steps] == ["LoadBtf", "CreateMap", "LoadProgram", "FillStructOps"]
    assert str(fill) == "fill in the value of struct_ops map 'table', 88 bytes: program 'first' at 72"
    assert "value of type" in str(made)
    assert "struct_ops, member 1, 1 instructions, target type" in str(made)


def test_a_flavour_stands_for_the_same_struct() -> None:
    _, create, _ = planned(ops_object(struct="ops___of_mine"))
    assert create.kernel_value_type


def test_a_struct_of_a_module_is_named_with_the_module() -> None:
    kernel = Kernel(module=True)
    made, create, _ = planned(ops_object(), kernel)
    (program,) = made.programs()
    assert program.attach == AttachPoint(kernel.struct, "mod")
    assert (create.module, create.flags) == ("mod", F_VTYPE_BTF_OBJ_FD)
    assert "of module 'mod'" in str(create)


def test_one_program_may_serve_several_maps_in_the_same_member() -> None:
    file = ops_object()
    struct = file.struct("ops___again", ("run", file.callback(), 0))
    file.variable("more", bytes(8), section=".struct_ops", alignment=8, type=struct)
    spec = open_object(file.relocation(".struct_ops", 24, 2, "first").build()).with_program("second", autoload=False)
    made = plan_object(spec, Kernel().target())
    assert [step.name for step in made.programs()] == ["first"]
    fills = [step for step in made.steps if isinstance(step, FillStructOps)]
    assert [(fill.map, fill.programs) for fill in fills] == [("table", ((72, "first"),)), ("more", ((72, "first"),))]


def test_one_program_cannot_be_two_members() -> None:
    spec = open_object(ops_object().build()).with_struct_ops("table", stop="first")
    text = refusal(spec)
    assert text.startswith("cannot prepare program 'first': it stands for member 'stop' of struct ops")
    assert "write a program for each" in text


def test_a_member_that_the_kernel_lacks_must_be_zero() -> None:
    kernel = Kernel()
    kernel.members = [("numbers", kernel.long), ("run", kernel.callback), ("stop", kernel.callback)]
    text = refusal(ops_object(), kernel)
    assert text.startswith("cannot prepare struct_ops map 'table': member 'number' is not zero, and struct ops of test")
    assert "did you mean 'numbers'?" in text
    assert "spec.with_struct_ops('table', number=0)" in text
    spec = open_object(ops_object().build()).with_struct_ops("table", number=0)
    kernel = Kernel()
    kernel.members = kernel.members[1:]
    assert planned(spec, kernel)[2].image == bytes(DATA_AT + 16)


def test_a_program_in_a_member_that_the_kernel_lacks_is_refused_until_it_is_taken_out() -> None:
    kernel = Kernel()
    kernel.members = [("number", kernel.long), ("stop", kernel.callback)]
    assert "member 'run' holds program 'first'" in refusal(ops_object(), kernel)
    kernel = Kernel()
    kernel.members = [("number", kernel.long), ("stop", kernel.callback)]
    made, _, fill = planned(open_object(ops_object().build()).with_struct_ops("table", run=None), kernel)
    assert not list(made.programs())
    assert not fill.programs


@pytest.mark.parametrize("where", ["object", "kernel"])
def test_a_bitfield_is_refused_on_either_side(where: str) -> None:
    kernel = Kernel()
    file = OpsWriter().function("second", b"\x95" + bytes(7), section="struct_ops")
    narrow = Member("number", file.integer(8), BitOffset(0), 3 if where == "object" else 0)
    struct = file.types.add(Struct("ops", 8, (narrow,), kind_flag=True))
    file.variable("table", bytes(8), section=".struct_ops", type=struct)
    if where == "kernel":
        kernel.members[0] = ("number", kernel.types.add(Int("three", 8, 3)))
    assert "member 'number' is a bitfield" in refusal(file, kernel)


def test_a_member_of_another_kind_or_size_is_refused_with_both_types() -> None:
    kernel = Kernel()
    kernel.members[0] = ("number", kernel.callback)
    text = refusal(ops_object(), kernel)
    assert "member 'number' is of another type in test" in text
    assert "in the object: long" in text
    kernel = Kernel()
    kernel.members[0] = ("number", kernel.types.add(Int("int", 4, 32)))
    text = refusal(ops_object(), kernel)
    assert "in the kernel: int" in text


def test_a_pointer_that_is_no_program_must_be_null() -> None:
    file = ops_object()
    struct = file.struct("ops___plain", ("run", file.types.add(Pointer(VOID)), 0))
    file.variable("other", b"\5" + bytes(7), section=".struct_ops", alignment=8, type=struct)
    assert "member 'run' is a pointer that holds 0x5" in refusal(file)


def test_a_program_needs_a_function_pointer_in_the_kernel() -> None:
    kernel = Kernel()
    kernel.members[1] = ("run", kernel.types.add(Pointer(kernel.long)))
    assert "member 'run' holds program 'first', and is no function in the kernel" in refusal(ops_object(), kernel)


def test_a_struct_that_the_kernel_does_not_offer_is_told_with_those_it_does() -> None:
    text = refusal(ops_object(struct="opss"))
    assert "it is a struct opss, and test does not know that struct" in text
    assert "did you mean 'ops'?" in text
    assert "autocreate=False" in text
    text = refusal(ops_object(struct="nothing"))
    assert "it is a struct nothing, and test offers none of that type for struct_ops" in text
    assert "there are: ops" in text


def test_a_kernel_without_struct_ops_or_without_links_is_told_by_the_feature() -> None:
    with pytest.raises(NotSupported, match=r"struct_ops: needs Linux 5\.6"):
        planned(ops_object(), Kernel(offered=False))
    with pytest.raises(NotSupported, match=r"struct_ops that a link registers: needs Linux 6\.4"):
        planned(ops_object(".struct_ops.link"), Kernel(link=False))
    planned(ops_object(), Kernel(link=False))
    bare = Target("test", "6.12.3", 0x060C03, "little")
    with pytest.raises(NotSupported, match=r"\(BTF\): needs a kernel built with"):
        plan_object(open_object(ops_object().build()), bare)


def test_a_table_that_is_not_made_asks_nothing_of_the_kernels_types() -> None:
    spec = open_object(ops_object("?.struct_ops", struct="unheard_of").build()).with_program("second", autoload=False)
    made = plan_object(spec, Kernel().target())
    assert not list(made.programs())
    assert not list(made.maps())


def test_a_program_of_no_table_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        plan_object(open_object(ops_object().build()), Kernel().target())
    assert str(caught.value).startswith(
        "cannot prepare program 'second': it is a struct_ops program, and no struct_ops"
    )


def test_a_value_of_absurd_size_is_damage_and_costs_no_memory() -> None:
    kernel = Kernel()
    kernel.members = [("run", kernel.callback), ("stop", kernel.callback), ("number", kernel.long)]
    target = kernel.target()
    assert target.btf is not None
    raw = bytearray(target.btf.raw)
    at = raw.find((DATA_AT + 24).to_bytes(4, "little"), target.btf.offset_of(kernel.value))
    raw[at : at + 4] = (0xFFFF_FFF0).to_bytes(4, "little")
    damaged = replace(target, read_btf=cache(lambda: Btf.parse(bytes(raw), name="vmlinux")))
    with pytest.raises(PlanError, match="struct bpf_struct_ops_ops of test takes 4294967280 bytes"):
        plan_object(open_object(ops_object().build()).with_program("second", autoload=False), damaged)
