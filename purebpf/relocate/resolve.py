"""One CO-RE record against the target's types: the decision, before any instruction is looked at.

All candidates that have what the record asks for must come to the same value, else nobody can tell which one the
kernel means. Candidates without it are out of the question from then on, for the later records of the same local
type too: of two kernel types of one name, the one that has the fields is meant. That makes the order of records
matter; it is that of the functions in the file, and of the code, as in libbpf.
"""

from __future__ import annotations

from purebpf.btf import Btf, CoreKind, CoreRelocation
from purebpf.errors import NotSupported, RelocationError
from purebpf.frozen import Frozen, field
from purebpf.relocate.access import ENUM_KINDS, FIELD_KINDS, Access, locate, parse_access
from purebpf.relocate.candidates import (
    Candidate,
    candidates,
    enumerators,
    known_answers,
    known_questions,
    places,
)
from purebpf.relocate.values import FOUND_OR_ZERO, Value, may_resize, value_of, words
from purebpf.spec.model import CoreAccess, FunctionSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final

    from purebpf.relocate.comparison import Comparison
    from purebpf.relocate.kernel_facts import KernelTypes
    from purebpf.units import ByteOrder, TypeId

_TYPE_ID_LOCAL: Final = CoreKind.TYPE_ID_LOCAL
_NOTHING: Final = Value(0)


class Decision(Frozen):
    """What a record comes to on a target.

    `local` is the value in the object's types, `target` the one in the target's: None if nothing there matches and
    the instruction must not be reached. `resizable` says whether a load or store may change its size with the
    field's. `candidates` are the target's types that were looked at, `matching` how many of them had what was asked
    for, `chosen` the first of these. `types` are the object's types, `kernel` the target's.
    """

    kind: CoreKind
    access: Access
    root: str
    local: Value
    target: Value | None
    resizable: bool = True
    candidates: tuple[Candidate, ...] = ()
    matching: int = 0
    chosen: Candidate | None = None
    kernel: Btf | None = field(default=None, repr=False, compare=False)
    types: Btf | None = field(default=None, repr=False, compare=False)

    @property
    def path(self) -> str:
        """What was asked about, as in C: 'task_struct.thread.sp[3]'."""
        return self.access.text(self.root)

    @property
    def question(self) -> str:
        """What was asked, in words: "the byte offset of 'task_struct.pid'"."""
        return f"{words(self.kind)} of '{self.path}'"


class _Answer(Frozen):
    """What one candidate says to it."""

    bit_offset: int
    value: Value
    resizable: bool


_Match = tuple[Candidate, _Answer]


def accesses_in_order(functions: Iterable[FunctionSpec]) -> list[tuple[FunctionSpec, CoreAccess]]:
    """The accesses of `functions` in the order of their records in the file."""
    found = [
        (function, reference)
        for function in functions
        for reference in function.references
        if type(reference) is CoreAccess
    ]
    found.sort(key=lambda pair: pair[1].number)
    return found


class Resolver:
    """Decides the records of one object for one target."""

    def __init__(self, local: Btf, kernel: KernelTypes, byteorder: ByteOrder) -> None:
        self._local = local
        self._kernel = kernel
        self._byteorder = byteorder
        self._decided: dict[tuple[TypeId, str, CoreKind], Decision] = {}
        self._candidates: dict[TypeId, tuple[Candidate, ...]] = {}
        self._types: Btf | None = None
        self._comparisons: dict[Btf, Comparison] = {}
        self._questions = known_questions(local)
        self._answers: dict[Any, Any] = {}
        self._answers_of: Btf | None = None

    def decide(self, record: CoreRelocation) -> Decision:
        """The decision for `record`; RelocationError where candidates disagree or the record makes no sense."""
        key = (record.type, record.access, record.kind)
        decision = self._decided.get(key)
        if decision is None:
            # Remembering is exact: candidates that a later record rules out came to the same value.
            decision = self._decided[key] = self._decide(record)
        return decision

    def _decide(self, record: CoreRelocation) -> Decision:
        kind, local = record.kind, self._local
        access, name, ours = self._question(record)
        if kind is _TYPE_ID_LOCAL:
            return Decision(kind, access, name or _described(local, record.type), ours, ours, types=local)
        if not name:
            described = _described(local, record.type)
            raise RelocationError(
                f"a CO-RE record asks for '{described}', which has no name to look for in the target",
                remedy="give the struct the name that it has in the kernel",
            )
        kernel = self._kernel_types(kind, access, name)
        looked_at = self._candidates.get(record.type)
        if looked_at is None:
            looked_at = candidates(self._kernel, kernel, name, local.kind(record.type))
        matches = []
        for candidate in looked_at:
            answer = self._answer(record, access, ours, candidate)
            if answer is not None:
                matches.append((candidate, answer))
        self._candidates[record.type] = tuple([candidate for candidate, _ in matches]) or looked_at
        if not matches:
            theirs = _NOTHING if kind in FOUND_OR_ZERO else None
            return Decision(kind, access, name, ours, theirs, True, looked_at, kernel=kernel, types=local)
        chosen, answer = matches[0]
        for other in matches[1:]:
            if _disagree(answer, other[1]):
                raise _ambiguous(f"{words(kind)} of '{access.text(name)}'", matches[0], other, matches)
        value, resizable = answer.value, answer.resizable
        return Decision(kind, access, name, ours, value, resizable, looked_at, len(matches), chosen, kernel, local)

    def _question(self, record: CoreRelocation) -> tuple[Access, str, Value]:
        """What a record asks for, in the object's own types; remembered as long as these are."""
        key = (record.type, record.access, record.kind, self._byteorder)
        question: tuple[Access, str, Value] | None = self._questions.get(key)
        if question is None:
            access = parse_access(self._local, record)
            value = value_of(record.kind, self._local, access, self._byteorder)
            question = self._questions[key] = (access, self._local.name_of(record.type), value)
        return question

    def _answer(self, record: CoreRelocation, access: Access, ours: Value, candidate: Candidate) -> _Answer | None:
        """What a candidate says to a record, None if it has no such thing; remembered as long as both types are."""
        target = candidate.btf
        if target is not self._answers_of:
            self._answers, self._answers_of = known_answers(target, self._local), target
        key = (candidate.type, record.type, record.access, record.kind, self._byteorder)
        if key in self._answers:
            known: _Answer | None = self._answers[key]
            return known
        answer = None
        found = self._found(record.kind, access, candidate)
        if found is not None:
            theirs = value_of(record.kind, target, found, self._byteorder)
            answer = _Answer(found.bit_offset, theirs, may_resize(self._local, ours, target, theirs))
        self._answers[key] = answer
        return answer

    def _found(self, kind: CoreKind, access: Access, candidate: Candidate) -> Access | None:
        target, root = candidate.btf, candidate.type
        if kind in FIELD_KINDS or kind in ENUM_KINDS:
            found = locate(self._local, access, target, root, places, enumerators)
            return found if isinstance(found, Access) else None
        comparison = self._comparisons.get(target)
        if comparison is None:
            from purebpf.relocate.comparison import Comparison

            comparison = self._comparisons[target] = Comparison(self._local, target)
        same = comparison.match if kind is CoreKind.TYPE_MATCHES else comparison.compatible
        return Access(root) if same(access.root, root) else None

    def _kernel_types(self, kind: CoreKind, access: Access, name: str) -> Btf:
        if self._types is not None:
            return self._types
        types = self._types = self._kernel.core_btf
        if types is None:
            raise NotSupported(
                f"CO-RE: {self._kernel.name} offers no BTF, the description of its types",
                since="5.2",
                config="CONFIG_DEBUG_INFO_BTF",
                evidence=(f"the object asks for {words(kind)} of '{access.text(name)}'",),
                remedy="if you have the BTF of this very kernel in a file, give it: purebpf.load(..., btf=file), or "
                "Target.from_btf(file) to plan",
            )
        return types


def _described(btf: Btf, type_id: TypeId) -> str:
    # Imported here because hardly a load has to name a type in C.
    from purebpf.btf import type_name

    return type_name(btf, type_id)


def _disagree(one: _Answer, other: _Answer) -> bool:
    return one.bit_offset != other.bit_offset or one.value.number != other.value.number


def _ambiguous(question: str, first: _Match, other: _Match, matches: list[_Match]) -> RelocationError:
    def told(match: _Match) -> str:
        candidate, answer = match
        offset = f" at bit {answer.bit_offset}" if answer.bit_offset else ""
        described = _described(candidate.btf, candidate.type)
        return (
            f"'{described}' [{candidate.type}] of {candidate.btf.name or 'the target'}: {answer.value.number}{offset}"
        )

    return RelocationError(
        f"{question} is ambiguous: types of that name disagree in the target",
        evidence=(told(first), told(other), *([f"{len(matches)} types match"] if len(matches) > 2 else [])),
        remedy="ask for a field that only the type you mean has before this one, to rule the others out",
    )
