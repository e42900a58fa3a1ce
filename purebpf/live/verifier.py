"""From the verifier's log to what it complains of: text in, a `Verdict` out, nothing else touched.

Rules: the log is read from its end, because it may have a million lines of which the last ones count; nothing here
fails on a log, however it is cut. A log of level 1 is made of instruction lines (`12: (79) r2 = *(u64 *)(r0 +0)`,
followed by the registers it changed), C lines (`; pid = task->tgid; @ trace.bpf.c:12`; the place since 6.8),
register states, remarks, the complaint, and statistics. The complaint is therefore what stands after the last
instruction and is none of the others. Linux 7.3 adds a report in sections after the complaint; its reason and its
suggestion are taken over.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from purebpf.frozen import Frozen
from purebpf.live.verifier_hints import hints_for

# libbpf's numbers, so that a log reads the same whoever loaded the object: helper ids that no kernel has.
CORE_POISON = 195896080
MAP_POISON = 2001000000
KFUNC_POISON = 2002000000
_POISON_RANGE = 1000000

_LONGEST_COMPLAINT = 6
_CUT_OFF = "the log is cut off here, before the verifier said why"

_INSTRUCTION = re.compile(r"\s*(\d+): (?:safe|\([0-9a-f]{2}\) )")
_SOURCE = re.compile(r"; (?P<text>.*?)(?: @ (?P<file>[^@]*):(?P<line>\d+))?")
_STATE_AT = re.compile(r"(?:\d+|from \d+ to \d+(?: \(speculative execution\))?): *(?:R\d|frame\d|fp|refs=|safe|$)")
_STATISTICS = re.compile(r"processed \d+ insns |verification time \d+|stack depth |insns processed \d+")
_REMARK = re.compile(
    r"\s*(?:R\d+(?:_\w+)?=|frame\d+:|caller:|callee:|returning from callee|to caller at|(?:cur|old) state:"
    r"|mark_precise:|regs=|last_idx |parent (?:didn't have|already had)|propagating |arg#\d+ reference type\("
    r"|func '\S+' arg\d+ (?:has|type) |reg type unsupported for arg#|Validating \S+\(\) func#"
    r"|Func#\d+ .*is safe for any args|func#\d+ @\d+|Live regs before insn|\d+: [.0-9]{10,} \()"
)
_NAMED_INSN = re.compile(
    r"(?:unreachable|infinite loop detected at|back-edge from|jump out of range from|last insn is not an exit or jmp at"
    r"|jump into the middle of ldimm64 insn|at) insn (\d+)|^insn (\d+) "
)
_WHOLE_PROGRAM = re.compile(
    r"combined stack size of|stack size \d+ .*too large|(?:func|line)_info|insn_off|last insn is not an exit"
)
_NO_POINTER = re.compile(r"R(\d+) invalid mem access '(?:scalar|inv)'")
_ABSENT = (
    "the address is 0: it is that of a weak extern that this kernel does not have, so ask for it before the access, "
    "if (&name) ..."
)


class Poison(Frozen):
    """An instruction that the loader itself made invalid, because it was thought never to be reached.

    `kind` is "core" (a relocation that matched nothing), "map" (number `index` was not created) or "kfunc" (extern
    number `index` was not found).
    """

    kind: str
    index: int


class Verdict(Frozen):
    """What the verifier has against a program.

    `complaint` are the lines that say something, the instruction first where one is at fault; `source` is
    'file.c:12  text' where the log or the object's line info knows it; `hints` are remedies in plain words.
    """

    complaint: str
    insn: int | None = None
    source: str | None = None
    hints: tuple[str, ...] = ()
    poison: Poison | None = None


def explain(log: str, line_of: Callable[[int], str | None] = lambda insn: None) -> Verdict:
    """What the log complains of; `line_of` gives the C line of an instruction, 'file.c:12  text', or None."""
    lines = [line.rstrip() for line in log.rstrip("\0\n ").splitlines()]
    report, lines = _split_report(lines)
    message, last = _message(lines)
    insn = _faulty_instruction(message, report, lines, last)
    at = _position(lines, insn)
    poison = _poison(message)
    said = [_poison_text(poison)] if poison else message or [_CUT_OFF] * (last is not None)
    if at is not None:
        said = [_without_state(lines[at]), *said]
    if report.reason:
        said = [*said, report.reason]
    source = None if insn is None else line_of(insn) or (None if at is None else _source_before(lines, at))
    hints = () if poison else hints_for("\n".join(message), in_global_function=_in_global_function(lines))
    if not poison and _is_absent(message, lines, last):
        hints = (_ABSENT,)
    if report.suggestion and not poison:
        hints = (report.suggestion, *hints)
    return Verdict("\n".join(said), insn, source, hints, poison)


class _Report(Frozen):
    """The sections of Linux 7.3's report; empty for the older format."""

    insn: int | None = None
    reason: str = ""
    suggestion: str = ""


def _split_report(lines: list[str]) -> tuple[_Report, list[str]]:
    start = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].startswith("Verification failed: ")), None)
    if start is None:
        return _Report(), lines
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines[start + 1 :]:
        if re.fullmatch(r"[A-Z][A-Za-z ]*:", line):
            current = sections.setdefault(line[:-1], [])
        elif line.startswith(" "):
            current.append(line.strip())
    place = next(filter(None, (re.match(r"insn (\d+)\b", line) for line in sections.get("At", ()))), None)
    title = lines[start].removeprefix("Verification failed: ")
    reason = ": ".join(filter(None, (title, " ".join(sections.get("Reason", ())))))
    report = _Report(int(place[1]) if place else None, reason, " ".join(sections.get("Suggestion", ())))
    return report, lines[:start]


def _message(lines: list[str]) -> tuple[list[str], int | None]:
    """The complaint's lines, and where the instruction before them stands."""
    said: list[str] = []
    for at, line in _backwards(lines):
        if _INSTRUCTION.match(line):
            return said[::-1], at
        if _STATE_AT.match(line):
            break
        if not _is_noise(line) and len(said) < _LONGEST_COMPLAINT:
            said.append(line)
    if said:
        return said[::-1], None
    # A log of nothing but remarks: the last of them is the best there is.
    rest = [line for _at, line in _backwards(lines) if line and not _STATISTICS.match(line)]
    return rest[:1], None


def _backwards(lines: list[str]) -> Iterator[tuple[int, str]]:
    for at in range(len(lines) - 1, -1, -1):
        yield at, lines[at]


def _is_noise(line: str) -> bool:
    return not line or bool(_STATISTICS.match(line) or _REMARK.match(line) or line.startswith("; "))


def _faulty_instruction(message: list[str], report: _Report, lines: list[str], last: int | None) -> int | None:
    if report.insn is not None:
        return report.insn
    for line in message:
        if named := _NAMED_INSN.search(line):
            return int(named[1] or named[2])
    if last is None or any(_WHOLE_PROGRAM.search(line) for line in message):
        return None
    found = _INSTRUCTION.match(lines[last])
    return int(found[1]) if found else None


def _position(lines: list[str], insn: int | None) -> int | None:
    """Where the log shows the instruction for the last time."""
    if insn is None:
        return None
    start = f"{insn}: ("
    return next((at for at, line in _backwards(lines) if line.lstrip().startswith(start)), None)


def _without_state(line: str) -> str:
    return re.split(r"\s+; |\s+;$", line.strip(), maxsplit=1)[0]


def _source_before(lines: list[str], at: int) -> str | None:
    for before in range(at - 1, max(-1, at - 200), -1):
        found = _SOURCE.fullmatch(lines[before])
        if found and found["file"]:
            return f"{found['file']}:{found['line']}  {found['text'].strip()}"
        if found:
            return found["text"].strip()
    return None


def _is_absent(message: list[str], lines: list[str], last: int | None) -> bool:
    """Whether the address that is no pointer was loaded whole as 0, as compilers do only where a loader fills it in."""
    found = next(filter(None, map(_NO_POINTER.search, message)), None)
    if found is None or last is None:
        return False
    written = re.compile(rf"\d+: \([0-9a-f]{{2}}\) [rw]{found[1]} = (.*)")
    for before in range(last - 1, max(-1, last - 200), -1):
        if assigned := written.match(lines[before]):
            return lines[before].partition(": ")[2].startswith("(18)") and assigned[1].split()[:1] == ["0x0"]
    return False


def _in_global_function(lines: list[str]) -> bool:
    # The heading stands before the instructions of the function; level 1 keeps the lines of one path only.
    return any(re.match(r"Validating \S+\(\) func#[1-9]", line) for line in lines[:50])


def _poison(message: list[str]) -> Poison | None:
    for line in message:
        found = re.search(r"invalid func unknown#(\d{1,10})\b", line)
        number = int(found[1]) if found else 0
        if number == CORE_POISON:
            return Poison("core", 0)
        if MAP_POISON <= number < MAP_POISON + _POISON_RANGE:
            return Poison("map", number - MAP_POISON)
        if KFUNC_POISON <= number < KFUNC_POISON + _POISON_RANGE:
            return Poison("kfunc", number - KFUNC_POISON)
    return None


class _AtInstruction(Protocol):
    @property
    def insn(self) -> int: ...


_Access = TypeVar("_Access", bound=_AtInstruction)


def poisoned_access(verdict: Verdict, accesses: Iterable[_Access]) -> _Access | None:
    """The one of a program's poisoned instructions at which the verifier stopped; None if it was something else."""
    if verdict.poison is None or verdict.poison.kind == "map":
        return None
    return next((access for access in accesses if access.insn == verdict.insn), None)


def _poison_text(poison: Poison) -> str:
    match poison.kind:
        case "core":
            return "CO-RE made this instruction invalid: what it accesses is not the same in this kernel"
        case "map":
            return f"this instruction uses map number {poison.index}, which was not created"
    return f"this instruction calls a kernel function (extern number {poison.index}) that the kernel does not have"
