"""Small objects to be linked, from Python literals."""

from purebpf.btf import Function, FunctionProto, Linkage, Parameter, Variable
from purebpf.elf import ElfFile, read_elf
from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1
from purebpf.linker import link_objects
from purebpf.units import TypeId
from tests.writers import TypedObjectWriter

CALL = Assembler().raw(bytes.fromhex("85100000ffffffff")).exit().assemble("little")
"""A call that a relocation fills in, as clang leaves it."""

ADDRESS = Assembler().ldimm64(R1, 0).mov(R0, 0).exit().assemble("little")
"""An ldimm64 that a relocation fills in."""


def returning(value: int) -> bytes:
    """A function's code that says which definition of it this is."""
    return Assembler().mov(R0, value).exit().assemble("little")


def declare_function(file: TypedObjectWriter, name: str, *parameters: TypeId, weak: bool = False) -> None:
    """`extern int name(...)`, as clang writes it: parameters have no names."""
    types = tuple(Parameter("", each) for each in parameters)
    prototype = file.types.add(FunctionProto(file.integer(4), types))
    file.types.add(Function(name, prototype, Linkage.EXTERN))
    file.extern(name, weak=weak)


def declare_variable(file: TypedObjectWriter, name: str, type_id: TypeId, *, weak: bool = False) -> TypeId:
    """`extern T name`; gives the VAR."""
    file.extern(name, weak=weak)
    return file.types.add(Variable(name, type_id, Linkage.EXTERN))


def linked(*files: TypedObjectWriter) -> ElfFile:
    """What the files become."""
    return read_elf(link_objects([file.build() for file in files]), name="linked")
