"""Two recordings of one object side by side.

A `Difference` names the object, the program if it is about one, what differs and the two answers. `cause` is
the same for differences that have the same reason in many objects.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from purebpf.uapi import MapType
from tools.corpus.calls import SLOT, Attempt, Call, Recording

_SHOWN = 160
# What a sequence is compared by: each of these has an order of its own.
_STREAMS = (
    ("BTF_LOAD",),
    ("MAP_CREATE",),
    ("OBJ_PIN",),
    ("MAP_UPDATE", "MAP_FREEZE"),
    (SLOT,),
    ("PROG_LOAD",),
    ("PROG_BIND_MAP",),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; `what` is a short fixed name such as 'refused' or 'PROG_LOAD code'."""

    object: str
    program: str
    what: str
    libbpf: str
    purebpf: str

    @property
    def cause(self) -> str:
        """What is common to all differences of its kind: numbers and names left out."""
        words = self.purebpf if self.what in ("refused", "refused to open", "a bug", "died") else self.libbpf
        if self.what not in ("refused", "accepted", "refused to open", "opened", "a bug", "died", "verdict"):
            words = ""
        words = re.sub(r"'[^']*'|\"[^\"]*\"", "'..'", words.partition("\n")[0])
        return f"{self.what}: {re.sub(r'[0-9]+', 'N', words)[:_SHOWN]}"


def compare(path: Path, theirs: Recording, mine: Recording) -> list[Difference]:
    """All differences of one object."""
    name = f"{path.parent.name}/{path.name}"
    return [Difference(name, *rest) for rest in _differences(theirs, mine)]


Found = tuple[str, str, str, str]


def _differences(theirs: Recording, mine: Recording) -> Iterator[Found]:
    if theirs.died or mine.died:
        yield "", "died", f"status {theirs.died}", f"status {mine.died}"
    if theirs.error or mine.error:
        if not theirs.error:
            yield "", "refused to open", "", mine.reason
        elif not mine.error:
            yield "", "opened", theirs.reason, ""
        return
    yield from _records("program", theirs.programs, mine.programs)
    for program, attempt in mine.attempts.items():
        if attempt.type == "BUG":
            yield program, "a bug", "", attempt.reason
    for program in theirs.attempts.keys() & mine.attempts.keys():
        yield from _attempt(theirs.attempts[program], mine.attempts[program])


def _records(kind: str, theirs: list[dict[str, Any]], mine: list[dict[str, Any]]) -> Iterator[Found]:
    by_name = {record["name"]: record for record in mine}
    if [record["name"] for record in theirs] != list(by_name):
        yield "", f"{kind}s", str([r["name"] for r in theirs])[:_SHOWN], str(list(by_name))[:_SHOWN]
    for record in theirs:
        other = by_name.get(record["name"], record)
        for field in record.keys() & other.keys():
            if record[field] != other[field]:
                yield record["name"], f"{kind} {field}", f"{record['section']}: {record[field]}", str(other[field])


def _attempt(theirs: Attempt, mine: Attempt) -> Iterator[Found]:
    if mine.type == "BUG":
        return
    verdicts = _verdict(theirs), _verdict(mine)
    if verdicts[0] and not verdicts[1]:
        yield theirs.program, "accepted", theirs.reason or verdicts[0], _made(mine)
        return
    if verdicts[1] and not verdicts[0]:
        yield theirs.program, "refused", "", mine.reason or verdicts[1]
        return
    if theirs.error or mine.error:
        yield from _loads(theirs, mine)
        return
    for stream in _STREAMS:
        yield from _stream(theirs, mine, stream)


def _verdict(attempt: Attempt) -> str:
    """Why the attempt failed, empty if it did not; of a program alone its own load is asked."""
    if attempt.program:
        loads = attempt.programs()
        if loads:
            return f"errno {loads[-1].errno}" if loads[-1].errno else ""
    return attempt.reason or f"error {attempt.error}" if attempt.error else ""


def _made(attempt: Attempt) -> str:
    """How much a load had the kernel make."""
    kinds = [call.fields["map_type"] for call in attempt.calls if call.command == "MAP_CREATE"]
    return f"{len(kinds)} maps, {kinds.count(MapType.STRUCT_OPS)} of struct_ops; {len(attempt.programs())} programs"


def _loads(theirs: Attempt, mine: Attempt) -> Iterator[Found]:
    """Where both fail, the programs that both brought before the kernel."""
    for one, other in zip(theirs.programs(), mine.programs(), strict=False):
        yield from _call(theirs.program, one, other)
        if one.errno != other.errno:
            yield (
                theirs.program,
                "verdict",
                f"errno {one.errno} {one.log[-_SHOWN:]}",
                f"errno {other.errno} {other.log[-_SHOWN:]}",
            )


def _stream(theirs: Attempt, mine: Attempt, commands: tuple[str, ...]) -> Iterator[Found]:
    wanted = [call for call in theirs.calls if call.command in commands and not _for_an_absent_program(call)]
    given = [call for call in mine.calls if call.command in commands]
    if len(wanted) != len(given):
        titles = [call.title() for call in wanted], [call.title() for call in given]
        extra = [t for t in titles[0] if t not in titles[1]], [t for t in titles[1] if t not in titles[0]]
        said = [str(side or count)[:_SHOWN] for side, count in zip(extra, map(len, titles), strict=True)]
        yield theirs.program, f"number of {'/'.join(commands)}", said[0], said[1]
        return
    for one, other in zip(wanted, given, strict=True):
        yield from _call(theirs.program, one, other)


def _for_an_absent_program(call: Call) -> bool:
    """A slot of a prog_array for a program that is not loaded, as when another is loaded alone; libbpf tries it."""
    return call.command == SLOT and not call.fields["value"]


def _call(program: str, theirs: Call, mine: Call) -> Iterator[Found]:
    if theirs.command != mine.command:
        yield program, "order", theirs.title(), mine.title()
        return
    about = program or (str(theirs.fields["name"]) if "name" in theirs.fields else "")
    for field, value in theirs.fields.items():
        if value != mine.fields[field]:
            yield about, f"{theirs.command} {field}", *_shown(field, value, mine.fields[field])


def _shown(field: str, theirs: Any, mine: Any) -> tuple[str, str]:
    if field == "code":
        return _code(theirs, mine)
    if field in ("func_info", "line_info"):
        theirs, mine = theirs[1], mine[1]
    if isinstance(theirs, str) and isinstance(mine, str) and len(theirs) > _SHOWN // 2:
        at = next(
            (i for i, (a, b) in enumerate(zip(theirs, mine, strict=False)) if a != b), min(len(theirs), len(mine))
        )
        at -= at % 2
        return _around(theirs, at), _around(mine, at)
    if isinstance(theirs, list) and isinstance(mine, list):
        return str([t for t in theirs if t not in mine])[:_SHOWN], str([m for m in mine if m not in theirs])[:_SHOWN]
    return str(theirs)[:_SHOWN], str(mine)[:_SHOWN]


def _around(text: str, at: int) -> str:
    return f"{len(text) // 2} bytes, at {at // 2}: {text[at : at + 48]}"


def _code(theirs: str, mine: str) -> tuple[str, str]:
    """The first differing instruction, and how many there are."""
    one, other = ([t[at : at + 16] for at in range(0, len(t), 16)] for t in (theirs, mine))
    if len(one) != len(other):
        return f"{len(one)} instructions", f"{len(other)} instructions"
    places = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    first = places[0]
    return f"insn {first}: {one[first]} ({len(places)} differ)", f"insn {first}: {other[first]}"
