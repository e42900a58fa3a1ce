"""The pair of types that makes two types incompatible."""

import time

from purebpf.btf import Btf, BtfWriter, Forward, FunctionProto, Int, Parameter, Pointer, Struct
from purebpf.relocate.mismatch import first_mismatch
from purebpf.units import VOID, TypeId


def function(*parameters: str) -> tuple[Btf, TypeId]:
    """A function with these parameters: 'int', or a struct behind a pointer, declared only or 'defined'."""
    writer = BtfWriter()
    number = writer.add(Int("int", 4, 32, signed=True))
    declared = writer.add(Pointer(writer.add(Forward("task"))))
    defined = writer.add(Pointer(writer.add(Struct("task", 4, ()))))
    types = {"int": number, "declared": declared, "defined": defined}
    made = writer.add(FunctionProto(VOID, tuple(Parameter("p", types[name]) for name in parameters)))
    return Btf.parse(writer.build()), made


def test_the_first_parameter_that_differs_is_found_behind_its_pointer() -> None:
    local, ours = function("int", "declared", "int")
    target, theirs = function("int", "defined", "declared")
    pair = first_mismatch(local, ours, target, theirs)
    assert pair is not None
    assert isinstance(local[pair[0]], Forward)
    assert isinstance(target[pair[1]], Struct)


def test_a_parameter_more_is_no_pair() -> None:
    local, ours = function("int")
    target, theirs = function("int", "int")
    assert first_mismatch(local, ours, target, theirs) is None


def test_types_that_contain_themselves_end() -> None:
    writer = BtfWriter()
    own = TypeId(1)
    writer.add(FunctionProto(own, tuple(Parameter("p", own) for _ in range(50))))
    btf = Btf.parse(writer.build())
    start = time.process_time()
    assert first_mismatch(btf, own, btf, own) is None
    assert time.process_time() - start < 2
