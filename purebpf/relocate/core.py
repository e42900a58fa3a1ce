"""The stage `core`: accesses recorded by CO-RE are adapted to the target's types.

The relocation itself is not built yet: a program that is to be loaded and has such an access is refused, with
the access named, rather than loaded with the offsets of the machine it was compiled on.
"""

from collections.abc import Iterable

from purebpf.btf import Btf
from purebpf.errors import RelocationError
from purebpf.relocate.model import AdaptedCode
from purebpf.spec.model import CoreAccess, FunctionSpec, ObjectSpec, SubprogramAddress, SubprogramCall


def adapt(spec: ObjectSpec, programs: Iterable[str]) -> AdaptedCode:
    """Adapt every function that `programs` reach."""
    for program in programs:
        for function in reached(spec, program):
            for reference in function.references:
                if isinstance(reference, CoreAccess):
                    raise _unsupported(spec.btf, program, function, reference)
    return AdaptedCode(spec.functions)


def reached(spec: ObjectSpec, program: str) -> Iterable[FunctionSpec]:
    """The functions that `program` may run: itself and what it calls or takes the address of."""
    seen = {program: None}
    queue = [program]
    while queue:
        function = spec.functions[queue.pop()]
        yield function
        for reference in function.references:
            if isinstance(reference, SubprogramCall | SubprogramAddress) and reference.function not in seen:
                seen[reference.function] = None
                queue.append(reference.function)


def _unsupported(btf: Btf | None, program: str, function: FunctionSpec, access: CoreAccess) -> RelocationError:
    from purebpf.btf import type_name

    record = access.record
    what = type_name(btf, record.type) if btf is not None else f"type {record.type}"
    kind = record.kind.name.lower()
    return RelocationError(
        f"CO-RE relocation {kind} of {what} ({record.access}) is not supported yet",
        program=program,
        insn=access.insn,
        evidence=(f"in function '{function.name}', section '{function.section}'",),
    )
