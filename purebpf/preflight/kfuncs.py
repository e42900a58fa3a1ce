"""Which programs may call one of the kernel's own functions: what real kernels answered, by the kind of program.

Rules: as with helpers, a pair is denied only by a kernel that is as new as the target, has the function and was asked
for such programs, if neither it nor an older one allowed it. Of functions of modules nobody knows.
"""

from functools import cache

from purebpf.plan.steps import LoadProgram
from purebpf.preflight.helper_table import KFUNC_CALLERS, KFUNC_KINDS, SERIES
from purebpf.preflight.kinds import GPL_REMEDY, Ages, Kind, Refusal, described, first_as_new, gpl_compatible
from purebpf.relocate.providers import module_of
from purebpf.uapi import ProgramType


def denied(kind: Kind, function: str, ages: Ages) -> str:
    """The kernel that shows that such programs may not call the function; "" where they may or nobody knows."""
    first = first_as_new(ages)
    names = _names(kind)
    if first is None or not names:
        return ""
    for index, series in enumerate(SERIES):
        callers = _callers(index).get(function)
        if callers is None:
            continue
        if not callers.isdisjoint(names):
            return ""
        if index >= first and not _asked(index).isdisjoint(names):
            return series
    return ""


def is_built_in(function: str) -> bool:
    """Whether the kernels that have it have it themselves, and not in a module."""
    return not module_of(function) and any(function in _callers(index) for index in range(len(SERIES)))


def refusal(step: LoadProgram, kind: Kind, function: str, ages: Ages) -> Refusal | None:
    """Why such a program may not call a function that the kernel has; None if it may or nobody knows."""
    if series := denied(kind, function, ages):
        index = SERIES.index(series)
        callers = ", ".join(sorted(_callers(index)[function]))
        return Refusal(f"which Linux up to {series} gives to no {described(kind)}", (f"programs that may: {callers}",))
    if not gpl_compatible(step):
        reason = f"and only GPL-compatible programs may call the kernel's; the license of this one is '{step.license}'"
        return Refusal(reason, remedy=GPL_REMEDY)
    return None


def _names(kind: Kind) -> frozenset[str]:
    """Under which the kind may stand among callers: with its attach type, and its type alone."""
    if kind.type == ProgramType.STRUCT_OPS:
        name = f"struct_ops{'.s' if kind.sleepable else ''}:{kind.struct}"
        return frozenset((name, f"struct_ops:{kind.struct}")) if kind.struct else frozenset()
    names = list(kind._replace(hook="").names())
    return frozenset((*names, str(kind.type))) if names else frozenset()


@cache
def _callers(index: int) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for callers, functions in KFUNC_CALLERS[index].items():
        found.update(dict.fromkeys(functions.split(), frozenset(callers.split())))
    return found


@cache
def _asked(index: int) -> frozenset[str]:
    return frozenset(KFUNC_KINDS[index].split())
