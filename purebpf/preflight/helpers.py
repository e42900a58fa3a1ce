"""Which programs may call a helper: what real kernels answered, by the kind of program.

Rules: `helper_table` has what each kernel that was asked was the first to give. A pair is denied only if a kernel at
least as new as the target takes such programs and neither it nor an older one gave them the helper; for all else (a
newer kernel, a kind that no kernel was asked about, a helper that is newer than the table) nobody knows. What was given
once is taken to be given: configurations differ, and a lockdown takes things away that `check` is not asked about.
"""

from functools import cache

from purebpf.plan.steps import LoadProgram
from purebpf.preflight.abi import Abi
from purebpf.preflight.helper_table import GIVEN, GPL_ONLY, HIGHEST, SERIES, SLEEPS
from purebpf.preflight.kinds import GPL_REMEDY, Ages, Kind, Refusal, described, first_as_new, gpl_compatible, type_of


def denied(kind: Kind, helper: int, ages: Ages) -> str:
    """The kernel that shows that such programs may not call the helper; "" where they may or nobody knows."""
    row = next((GIVEN[key] for key in kind.names() if key in GIVEN), None)
    first = first_as_new(ages)
    if row is None or first is None:
        return ""
    for index, series in enumerate(SERIES):
        given = row[index]
        if given is not None and helper in _numbers(given):
            return ""
        if index >= first and given is not None and helper <= HIGHEST[index]:
            return series
    return ""


def refusal(step: LoadProgram, kind: Kind, helper: int, ages: Ages, abi: Abi) -> Refusal | None:
    """Why such a program may not call a helper; None if it may or nobody knows."""
    if abi.knows_helper(helper) is False:
        return Refusal("which the kernel does not have")
    if series := denied(kind, helper, ages):
        return Refusal(f"which Linux up to {series} gives to no {described(kind)}", _takers(helper))
    if _doubted(kind, helper, ages):
        reason = f"which Linux up to {SERIES[-1]} gives to no program of type {kind.type}, and the target is newer or"
        return Refusal(f"{reason} does not tell its release", _takers(helper), certain=False)
    if option := abi.without_helper(helper):
        return Refusal(f"which the kernel was built without: it needs {option}")
    if helper in _numbers(GPL_ONLY) and not gpl_compatible(step):
        return Refusal(
            f"which only GPL-compatible programs may call, and the license of this one is '{step.license}'",
            remedy=GPL_REMEDY,
        )
    if helper in _numbers(SLEEPS) and not kind.sleepable and len(step.functions) == 1:
        # Callbacks of a workqueue may sleep in any program.
        return Refusal("which may sleep, and this program must not", remedy="a section with '.s' is for those that may")
    return None


def _doubted(kind: Kind, helper: int, ages: Ages) -> bool:
    """Whether no kernel gave that helper to a program of that type, and the target may be newer than all of them."""
    if first_as_new(ages) is not None or helper > HIGHEST[-1]:
        return False
    known = _given_to(str(kind.type))
    return bool(known) and helper not in known


@cache
def _given_to(program_type: str) -> frozenset[int]:
    """All that any kernel gave to any program of a type."""
    rows = [row for key, row in GIVEN.items() if type_of(key) == program_type]
    return frozenset().union(*(_numbers(given) for row in rows for given in row if given))


def _takers(helper: int) -> tuple[str, ...]:
    """Which types of programs may call it, as evidence."""
    types = (type_of(key) for key, row in GIVEN.items() if any(given and helper in _numbers(given) for given in row))
    found = ", ".join(dict.fromkeys(types))
    return (f"programs that may: {found}",) if found else ()


@cache
def _numbers(text: str) -> frozenset[int]:
    found: set[int] = set()
    for span in text.split():
        first, _, last = span.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
