"""The stage `externs`: references to kconfig values, kernel symbols and kernel functions get their values.

None of the three sources is read yet: a program that needs one is refused with all it needs named at once. A
weak extern is no exception: whether it exists decides what the program does.
"""

from purebpf.errors import UnresolvedExtern
from purebpf.relocate.model import LinkedProgram
from purebpf.spec.model import ExternKind, ObjectSpec

_WORDS = {
    ExternKind.KCONFIG: "kernel configuration value",
    ExternKind.KSYM: "kernel symbol",
    ExternKind.KFUNC: "kernel function",
}


def resolve_externs(spec: ObjectSpec, program: LinkedProgram) -> LinkedProgram:
    """The program with its externs filled in."""
    if not program.externs:
        return program
    first = program.externs[0]
    needed = dict.fromkeys(reference.extern for reference in program.externs)
    evidence = [f"{_WORDS[spec.externs[name].kind]} '{name}'" for name in needed if name in spec.externs]
    kind = spec.externs[first.extern].kind if first.extern in spec.externs else ExternKind.KSYM
    raise UnresolvedExtern(
        f"{_WORDS[kind]} '{first.extern}' cannot be resolved: externs are not supported yet",
        program=program.name,
        insn=first.insn,
        evidence=evidence,
    )
