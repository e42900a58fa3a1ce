"""Which functions of a kernel are marked as its functions for BPF programs."""

from __future__ import annotations

from purebpf.btf import Btf, BtfType, BtfWriter, DeclTag, Function, FunctionProto, Struct
from purebpf.gen.kfuncs import kfuncs, opening
from purebpf.gen.table import Table
from purebpf.units import TypeId

T = TypeId
PROTO = FunctionProto(T(0), ())


def marked(*kinds: BtfType, base: Btf | None = None) -> dict[int, str]:
    return kfuncs(Table(built(*kinds, base=base)))


def built(*kinds: BtfType, base: Btf | None = None) -> Btf:
    writer = BtfWriter(base=base)
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build(), base=base)


def test_a_tag_on_the_function_marks_it_and_one_on_a_parameter_does_not() -> None:
    assert marked(PROTO, Function("f", T(1)), DeclTag("bpf_kfunc", T(2))) == {2: ""}
    assert marked(PROTO, Function("f", T(1)), DeclTag("bpf_kfunc", T(2), 0)) == {}


def test_other_tags_and_tags_of_other_types_mark_nothing() -> None:
    assert marked(PROTO, Function("f", T(1)), DeclTag("bpf_fastcall", T(2)), DeclTag("other", T(2))) == {}
    assert marked(Struct("s", 0, ()), DeclTag("bpf_kfunc", T(1))) == {}


def test_a_fast_call_is_told_and_brings_its_macro() -> None:
    found = marked(PROTO, Function("f", T(1)), DeclTag("bpf_fastcall", T(2)), DeclTag("bpf_kfunc", T(2)))
    assert found == {2: "__bpf_fastcall "}
    assert "#define __bpf_fastcall" in opening(found)
    assert "fastcall" not in opening({2: ""})


def test_of_two_functions_of_one_name_the_first_is_declared() -> None:
    twice = (Function("f", T(1)), Function("f", T(1)), DeclTag("bpf_kfunc", T(2)), DeclTag("bpf_kfunc", T(3)))
    assert marked(PROTO, *twice) == {2: ""}


def test_a_modules_own_are_found_and_not_its_kernels() -> None:
    base = built(PROTO, Function("f", T(1)), DeclTag("bpf_kfunc", T(2)))
    assert marked(Function("g", T(1)), DeclTag("bpf_kfunc", T(4)), base=base) == {4: ""}
