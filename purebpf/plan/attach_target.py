"""Where a program goes whose section names a function, typedef or hook of somebody's BTF (fentry, LSM, freplace, ...).

Rules, as libbpf has them:

- what is looked up is the name behind the "/" with the prefix of its kind: a tracepoint is typedef `btf_trace_NAME`,
  a hook of the security modules function `bpf_lsm_NAME`, an iterator function `bpf_iter_NAME`, all else a function;
- the kernel itself comes first, then each module that has types; "module:function" asks that module alone, and
  "vmlinux:function" the kernel alone;
- a program that was given another program as its target is looked up in that program's types only; freplace has no
  other targets than programs.

A target that is not there is an error here and not the kernel's, which could say no more than EINVAL: the nearest
names are told, and where the symbols know what became of the function, that too.
"""

from __future__ import annotations

from purebpf.btf import Btf, Kind
from purebpf.errors import AttachTargetError, BpfError, NotSupported
from purebpf.frozen import Frozen
from purebpf.plan.steps import NOWHERE, AttachPoint, TargetProgram
from purebpf.uapi import AttachType, ProgramType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from purebpf.plan.target import ProgramTypes, Target
    from purebpf.spec.model import ProgramSpec
    from purebpf.units import HasFd, TypeId

# What the compiler appends to the name of a function that it changed or took a part out of.
_CHANGED_BY_COMPILER: Final = (".isra.0", ".constprop.0", ".part.0", ".cold", ".llvm.0")
_KERNEL: Final = "vmlinux"
_LISTED_AT_MOST: Final = 40


class _Names(Frozen):
    """How one kind of target is named in BTF and in messages."""

    prefix: str
    kind: Kind
    noun: str
    example: str


_FUNCTIONS: Final = _Names("", Kind.FUNC, "function", "do_unlinkat")
_BY_ATTACH_TYPE: Final = {
    AttachType.TRACE_RAW_TP: _Names("btf_trace_", Kind.TYPEDEF, "raw tracepoint", "sched_switch"),
    AttachType.LSM_MAC: _Names("bpf_lsm_", Kind.FUNC, "LSM hook", "file_open"),
    AttachType.LSM_CGROUP: _Names("bpf_lsm_", Kind.FUNC, "LSM hook", "socket_bind"),
    AttachType.TRACE_ITER: _Names("bpf_iter_", Kind.FUNC, "iterator", "task"),
}


def attach_point(program: ProgramSpec, target: Target) -> AttachPoint:
    """Where `program` goes, `NOWHERE` for a program whose type has no such target."""
    if not program.goes_to_a_type:
        return NOWHERE
    names = _FUNCTIONS
    if program.expected_attach_type is not None:
        names = _BY_ATTACH_TYPE.get(program.expected_attach_type, _FUNCTIONS)
    if not program.attach_to:
        raise _unnamed(program, names, target)
    if program.target_program is not None:
        return _in_program(program, target, program.target_program)
    if program.type == ProgramType.EXT:
        raise AttachTargetError(
            f"it replaces function '{program.attach_to}' of a program that was not given",
            program=program.name,
            remedy=f"load that program first: spec.with_program('{program.name}', target_program=<the loaded program>)",
        )
    return _in_kernel(program, target, names)


def _unnamed(program: ProgramSpec, names: _Names, target: Target) -> AttachTargetError:
    prefix = program.definition.prefix if program.definition is not None else program.section
    evidence: tuple[str, ...] = ()
    example = "NAME" if program.type == ProgramType.EXT else names.example
    if program.target_program is not None:
        found = target.program_types(program.target_program)
        functions = sorted(_own_names(found.btf, _FUNCTIONS)) if found.btf is not None else []
        evidence, example = _listed("the target program has", functions), (functions or ["NAME"])[0]
    return AttachTargetError(
        f"section '{program.section}' does not name the {names.noun} that it goes to",
        program=program.name,
        evidence=evidence,
        remedy=f'name it in the source, SEC("{prefix}/{example}"), or before loading: '
        f"spec.with_program('{program.name}', attach_to='{example}')",
    )


# ---------------------------------------------------------------- the kernel and its modules


def _in_kernel(program: ProgramSpec, target: Target, names: _Names) -> AttachPoint:
    module, colon, name = program.attach_to.partition(":")
    if not colon:
        module, name = "", program.attach_to
    wanted = names.prefix + name
    kernel = target.require_btf(f"the target of program '{program.name}', SEC(\"{program.section}\")")
    if module in ("", _KERNEL):
        found = kernel.find_one(wanted, names.kind)
        if found is not None:
            return AttachPoint(found)
    seen: list[str] = []
    for types in target.modules() if module != _KERNEL else ():
        seen.append(types.name)
        if module and types.name != module:
            continue
        found = _own(types.btf, wanted, names.kind)
        if found is not None:
            return AttachPoint(found, types.name)
    if module and module != _KERNEL:
        raise _not_in_module(program, target, names, module, name, seen)
    raise _not_in_kernel(program, target, names, kernel, name)


def _own(btf: Btf, name: str, kind: Kind) -> TypeId | None:
    """The first of a split BTF's own types of that name: those of its base were looked at before."""
    return next((found for found in btf.find(name, kind) if found >= btf.first_id), None)


def _not_in_module(
    program: ProgramSpec, target: Target, names: _Names, module: str, name: str, seen: list[str]
) -> AttachTargetError:
    if module not in seen:
        return AttachTargetError(
            f"{names.noun} '{name}' is wanted from kernel module '{module}', which is not loaded or has no types",
            program=program.name,
            evidence=_did_you_mean(module, seen),
            remedy=f"load it (modprobe {module}); with types it shows as /sys/kernel/btf/{module}",
        )
    types = next(types.btf for types in target.modules() if types.name == module)
    reason = f"kernel module '{module}' has no {names.noun} '{name}'"
    elsewhere = _elsewhere(target, names, name)
    if elsewhere:
        return AttachTargetError(
            reason,
            program=program.name,
            evidence=[f"{'the kernel itself' if elsewhere == _KERNEL else f'module {elsewhere!r}'} has one"],
            remedy=f"name that one: '{elsewhere}:{name}'",
        )
    evidence = _did_you_mean(name, _own_names(types, names)) or _fate(target, name)
    return AttachTargetError(reason, program=program.name, evidence=evidence)


def _elsewhere(target: Target, names: _Names, name: str) -> str:
    """Who has a target of that name: the kernel, else the first module; '' if nobody has."""
    wanted = names.prefix + name
    if target.btf is not None and target.btf.find_one(wanted, names.kind) is not None:
        return _KERNEL
    own = (types.name for types in target.modules() if _own(types.btf, wanted, names.kind) is not None)
    return next(own, "")


def _not_in_kernel(
    program: ProgramSpec, target: Target, names: _Names, kernel: Btf, name: str
) -> AttachTargetError | NotSupported:
    known = _own_names(kernel, names)
    if not known and names.prefix == "bpf_lsm_":
        return NotSupported(
            "programs on the hooks of security modules",
            since="5.7",
            config="CONFIG_BPF_LSM",
            evidence=[f"program '{program.name}' is one: its types name no hook"],
        )
    reason = f"the types of {target.name} know no {names.noun} '{name}'"
    remedy = ""
    if names.kind is Kind.TYPEDEF and "/" in name:
        remedy = f"raw tracepoints are named without their category: '{name.rpartition('/')[2]}'"
    near = _did_you_mean(name, known)
    if not near and len(known) <= _LISTED_AT_MOST:
        near = list(_listed("there are", known))
    evidence = [*(_fate(target, name) if not names.prefix else ()), *near]
    return AttachTargetError(reason, program=program.name, evidence=evidence, remedy=remedy)


def _fate(target: Target, name: str) -> list[str]:
    """What the kernel's symbols tell of a function that its types do not know; nothing where they cannot be read."""
    try:
        symbols = target.read_symbols()
        if symbols.addresses(name):
            return [
                "the kernel has code of that name without types (written in assembly, or with arguments that the "
                "compiler moved): a kprobe can be set there"
            ]
        changed = [f"'{name}{end}'" for end in _CHANGED_BY_COMPILER if symbols.addresses(name + end)]
    except BpfError:
        return []
    if changed:
        return [f"it is static, and the compiler made {' and '.join(changed)} of it: a kprobe can be set there"]
    return ["no symbol has that name: it was inlined, it is in a module that is not loaded, or this kernel lacks it"]


def _own_names(btf: Btf, names: _Names) -> list[str]:
    """What targets of a kind there are, without their prefix."""
    # Loaded here because only a failure needs it.
    from purebpf.btf.names import names_of

    found = names_of(btf, names.kind)
    return [name.removeprefix(names.prefix) for name in found if name.startswith(names.prefix)]


def _did_you_mean(wanted: str, names: Iterable[str]) -> list[str]:
    # Loaded here because only a failure needs it.
    from purebpf.near import did_you_mean

    return did_you_mean(wanted, names)


def _listed(intro: str, names: Iterable[str]) -> tuple[str, ...]:
    shown = sorted(set(names))
    return (f"{intro}: {', '.join(shown)}",) if shown else ()


# ---------------------------------------------------------------- another program


def _in_program(program: ProgramSpec, target: Target, loaded: HasFd | int) -> AttachPoint:
    found: ProgramTypes = target.program_types(loaded)
    if found.btf is None:
        raise AttachTargetError(
            f"the target program '{found.name}' was loaded without types",
            program=program.name,
            remedy="compile it with -g: its functions are found by its BTF",
        )
    type_id = found.btf.find_one(program.attach_to, Kind.FUNC)
    if type_id is None:
        functions = _own_names(found.btf, _FUNCTIONS)
        evidence = _did_you_mean(program.attach_to, functions)
        if not evidence and len(functions) <= _LISTED_AT_MOST:
            evidence = list(_listed("it has", functions))
        raise AttachTargetError(
            f"the target program '{found.name}' has no function '{program.attach_to}'",
            program=program.name,
            evidence=evidence,
        )
    return AttachPoint(type_id, program=TargetProgram(found.name, found.id, loaded))
