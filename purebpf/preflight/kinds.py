"""Kinds of programs, as the kernel tells them apart when it says who may call what; and how old a kernel is.

Rules: a kind is a type of program with its attach type, with ".s" where it may sleep, and with a hook (of an iterator
or LSM program) or a struct and its member (of struct_ops) where the kernel asks for that too. `helper_table` has the
answers of a few kernels: what the oldest of them that is as new as the target does not give, nor any before it, the
target does not give. Of a target that is newer than all of them nobody knows.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from purebpf.plan.steps import LoadProgram
from purebpf.preflight.abi import Abi
from purebpf.preflight.helper_table import AWAKE, SERIES
from purebpf.spec.sections import F_SLEEPABLE
from purebpf.uapi import AttachType, ProgramType

_HOOK_PREFIXES: Final = {
    (ProgramType.TRACING, int(AttachType.TRACE_ITER)): "bpf_iter_",
    (ProgramType.LSM, int(AttachType.LSM_MAC)): "bpf_lsm_",
    (ProgramType.LSM, int(AttachType.LSM_CGROUP)): "bpf_lsm_",
}
_GPL_COMPATIBLE: Final = frozenset(
    ("GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL")
)
GPL_REMEDY: Final = 'declare a license that the kernel takes for compatible: char LICENSE[] SEC("license") = "GPL";'


class Ages(NamedTuple):
    """The kernel is at least as new as the first version, and older than the second; 0 where nobody knows."""

    at_least: int
    before: int


class Refusal(NamedTuple):
    """Why a program may not call something: the end of a sentence, what else is known, what to do.

    It is not `certain` where only older kernels show it.
    """

    reason: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    certain: bool = True


class Kind(NamedTuple):
    """A kind of program as the table has it."""

    type: ProgramType
    attach: int = 0
    sleepable: bool = False
    hook: str = ""

    def names(self) -> Iterator[str]:
        """Under which it may stand in the table, the nearest first."""
        name = str(self.type)
        if self.attach and self.type != ProgramType.STRUCT_OPS:
            try:
                name += f"/{AttachType(self.attach)}"
            except ValueError:
                return
        name += ".s" if self.sleepable else ""
        if self.hook:
            yield f"{name}:{self.hook}"
        if self.type != ProgramType.STRUCT_OPS:
            yield name
        elif ":" in self.hook:
            yield f"{name}:{self.struct}"

    @property
    def struct(self) -> str:
        """The struct of a struct_ops program, whose hook is 'struct:member'."""
        return self.hook.partition(":")[0]


def must_not_sleep(kind: Kind, ages: Ages) -> str:
    """The kernel that shows that such programs may not sleep; "" where they may or nobody knows."""
    first = first_as_new(ages)
    if not kind.sleepable or first is None:
        return ""
    key = next(reversed(list(kind._replace(sleepable=False, hook="").names())), "")
    refusing = AWAKE.get(key, ())
    # tp_btf programs could, until they could not: the kernel before has to agree, unless it is this one.
    asked = SERIES[first : first + 1] if _same_series(SERIES[first], ages) else SERIES[max(first - 1, 0) : first + 1]
    return SERIES[first] if all(series in refusing for series in asked) else ""


def kind_of(step: LoadProgram, abi: Abi) -> Kind:
    """What kind of program a step loads; a hook of a module or another program is not told."""
    attach, hook = int(step.expected_attach_type or 0), ""
    if step.attach.btf_id and step.attach.module is None and step.attach.program is None:
        hook = abi.name_of(step.attach.btf_id)
        if step.type == ProgramType.STRUCT_OPS:
            hook += f":{abi.member_name(step.attach.btf_id, attach)}"
        else:
            prefix = _HOOK_PREFIXES.get((step.type, attach), "")
            hook = hook.removeprefix(prefix) if prefix else ""
    return Kind(step.type, attach, bool(step.flags & F_SLEEPABLE), hook)


def type_of(key: str) -> str:
    """The type of the programs that stand in the table under `key`."""
    return key.partition(":")[0].partition("/")[0].removesuffix(".s")


def described(kind: Kind) -> str:
    """The kind in words, without its article."""
    what = f"{'sleepable ' if kind.sleepable else ''}program of type {kind.type}"
    if kind.hook:
        return f"{what} for {kind.hook.replace(':', '.')}"
    return f"{what} with attach type {AttachType(kind.attach)}" if kind.attach else what


def first_as_new(ages: Ages) -> int | None:
    """The index of the oldest kernel in the table that is as new as the target or newer."""
    for index, series in enumerate(SERIES):
        if ages.before and _following(series) >= ages.before:
            return index
    return None


def _following(series: str) -> int:
    """The first version that is no longer of the series; all of its releases count as one."""
    major, minor = map(int, series.split("."))
    return major << 16 | (minor + 1) << 8


def _same_series(series: str, ages: Ages) -> bool:
    return _following(series) - (1 << 8) <= ages.at_least < _following(series)


def gpl_compatible(step: LoadProgram) -> bool:
    """Whether the kernel takes the program's license for compatible with the GPL: it compares letter by letter."""
    return step.license in _GPL_COMPATIBLE
