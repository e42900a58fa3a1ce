"""The stage `core`: accesses recorded by CO-RE are adapted to the target's types.

Rules, libbpf's so that the code is the same: the records are taken in the order of the file, for the candidates that
one record rules out stay ruled out for those behind it (`resolve`). Entry programs that are not loaded are left
alone. Subprograms that nothing reaches are decided, for they may rule out candidates, but not adapted, and what is
wrong with them is nobody's trouble.

A record that matches nothing in the target is no error: its instruction is poisoned (`patch`), and the verifier has
the last word. Everything else that goes wrong is an error of the program that reaches the function.
"""

from __future__ import annotations

from purebpf.btf import Btf, InfoSection, line_at
from purebpf.errors import BpfError, BtfError, RelocationError
from purebpf.frozen import replace
from purebpf.relocate.model import AdaptedCode, Fixup
from purebpf.relocate.patch import Change, apply, immediate, poison
from purebpf.relocate.resolve import Decision, Resolver, accesses_in_order
from purebpf.spec.model import CoreAccess, FunctionSpec, ObjectSpec, SubprogramAddress, SubprogramCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from purebpf.relocate.kernel_facts import KernelTypes


def adapt(spec: ObjectSpec, programs: Iterable[str], target: KernelTypes) -> AdaptedCode:
    """Adapt every function that `programs` reach; the others stay as they are."""
    reached_by = {function.name: program for program in programs for function in reached(spec, program)}
    accesses = accesses_in_order(
        function for name, function in spec.functions.items() if name in reached_by or name not in spec.programs
    )
    if not accesses or spec.btf is None:
        return AdaptedCode(spec.functions)
    resolver = Resolver(spec.btf, target, spec.byteorder)
    codes: dict[str, bytearray] = {}
    fixups: dict[str, list[Fixup]] = {}
    for function, access in accesses:
        name = function.name
        program = reached_by.get(name)
        if program is None:
            _rule_out(resolver, access)
            continue
        try:
            decision = resolver.decide(access.record)
            code = codes.get(name)
            if code is None:
                code = codes[name] = bytearray(function.code)
            poisoned = not _carry_out(code, access, decision, spec)
        except RelocationError as error:
            raise _placed(error, spec, program, function, access) from None
        except BtfError as error:
            error.add_note(f"asked for by a CO-RE record of function '{name}', instruction {access.insn}")
            raise
        fixups.setdefault(name, []).append(Fixup(access.insn, decision, poisoned))
    functions = dict(spec.functions)
    for name, code in codes.items():
        functions[name] = replace(functions[name], code=bytes(code))
    return AdaptedCode(functions, {name: tuple(found) for name, found in fixups.items()})


def reached(spec: ObjectSpec, program: str) -> Iterable[FunctionSpec]:
    """The functions that `program` may run: itself, what it calls or takes the address of, its callback."""
    entry = spec.programs.get(program)
    queue = [program]
    if entry is not None and entry.exception_callbacks:
        queue += [name for name in entry.exception_callbacks if name in spec.functions]
    seen = dict.fromkeys(queue)
    while queue:
        function = spec.functions[queue.pop()]
        yield function
        for reference in function.references:
            if isinstance(reference, SubprogramCall | SubprogramAddress) and reference.function not in seen:
                seen[reference.function] = None
                queue.append(reference.function)


def _rule_out(resolver: Resolver, access: CoreAccess) -> None:
    # What is wrong with a function that is never run may stay wrong.
    try:  # noqa: SIM105 (contextlib is not worth importing for it)
        resolver.decide(access.record)
    except BpfError:
        pass


def _carry_out(code: bytearray, access: CoreAccess, decision: Decision, spec: ObjectSpec) -> bool:
    """Write the decision into the code; False if the instruction was poisoned."""
    ours, theirs = decision.local, decision.target
    if theirs is not None:
        old, new = ours.number if ours.checked else None, theirs.number
        if ours.unsigned is not None and ours.unsigned == immediate(code, access.insn, spec.byteorder):
            # libbpf refuses the object here: it takes the enumerators of every enum for signed ones.
            old, new = ours.unsigned, new if theirs.unsigned is None else theirs.unsigned
        change = Change(old, new, ours.size, theirs.size, decision.resizable)
        if apply(code, access.insn, change, spec.byteorder):
            return True
    poison(code, access.insn, spec.byteorder)
    return False


def _placed(
    error: RelocationError, spec: ObjectSpec, program: str, function: FunctionSpec, access: CoreAccess
) -> RelocationError:
    """The error with the place in program and source."""
    error.program, error.insn = program, access.insn
    place = f"in function '{function.name}', section '{function.section}'"
    line = _source_line(spec, function, access)
    error.evidence = (f"{place}, {line}" if line else place, *error.evidence)
    return error


def _source_line(spec: ObjectSpec, function: FunctionSpec, access: CoreAccess) -> str:
    """'file.c:12  text' of the C line of an access, '' where the file does not tell."""
    btf: Btf | None = spec.btf
    if btf is None or not function.line_info:
        return ""
    lines = InfoSection(spec.line_info_record_size, function.line_info)
    return line_at(lines, btf, (function.section_insn + access.insn) * 8)
