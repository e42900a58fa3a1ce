"""Why an access was poisoned, in words: asked only when the verifier came to it.

It says which type has no such thing and which names are near (`task_struct.state` became `__state`), or, where the
target's types are not at fault, what the instruction would have read wrongly.
"""

from collections.abc import Iterable
from typing import NamedTuple

from purebpf.btf import Array, Btf, Enum, Kind, type_name
from purebpf.btf.members import member_at
from purebpf.near import near_names
from purebpf.relocate.access import Mismatch, Part, locate
from purebpf.relocate.candidates import Candidate, places
from purebpf.relocate.compat import essential_name, kinds_compatible
from purebpf.relocate.model import Fixup
from purebpf.relocate.resolve import Decision

_MOST_CANDIDATES = 4
_KEYWORDS = {Kind.STRUCT: "struct ", Kind.UNION: "union ", Kind.ENUM: "enum ", Kind.ENUM64: "enum "}


class Failure(NamedTuple):
    """`reason` in one line, what was looked at, and what to do."""

    reason: str
    evidence: tuple[str, ...]
    remedy: str


def explain_poison(fixup: Fixup, local: Btf) -> Failure:
    """What stands in the way of a poisoned fixup; `local` are the object's types."""
    decision = fixup.decision
    if decision.target is not None:
        return _wrong_size(decision, local)
    kernel = decision.kernel
    assert kernel is not None
    if not decision.candidates:
        return _no_such_type(decision, local, kernel)
    told = [_told(decision, local, candidate) for candidate in decision.candidates[:_MOST_CANDIDATES]]
    near = list(dict.fromkeys(name for _text, names in told for name in names))
    evidence = [text for text, _names in told]
    if len(decision.candidates) > len(told):
        evidence.append(f"and {len(decision.candidates) - len(told)} more types of that name")
    reason = f"'{decision.path}' is not in this kernel{_near(near)}"
    return Failure(reason, (f"it needs {decision.question}", *evidence), _remedy(decision))


def _wrong_size(decision: Decision, local: Btf) -> Failure:
    assert decision.target is not None
    ours, theirs = decision.local, decision.target
    target = decision.kernel
    assert target is not None
    reason = f"'{decision.path}' has {theirs.size} bytes in this kernel, the instruction moves {ours.size}"
    evidence = (
        f"here: '{type_name(local, ours.type)}' of {ours.size} bytes",
        f"there: '{type_name(target, theirs.type)}' of {theirs.size} bytes",
        "only pointers and unsigned integers may change their size",
    )
    return Failure(reason, evidence, "read it with BPF_CORE_READ_INTO() or bpf_core_read() and bpf_core_field_size()")


def _no_such_type(decision: Decision, local: Btf, kernel: Btf) -> Failure:
    root = local.kind(decision.access.root)
    wanted = essential_name(decision.root)
    ids = [type_id for type_id in kernel.ids() if kinds_compatible(root, kernel.kind(type_id))]
    near = near_names(wanted, (kernel.name_of(type_id) for type_id in ids))
    keyword = _KEYWORDS.get(root, "type ") if isinstance(root, Kind) else "type "
    reason = f"'{keyword}{wanted}' is not in this kernel{_near(near)}"
    return Failure(reason, (f"it needs {decision.question}",), _remedy(decision))


def _told(decision: Decision, local: Btf, candidate: Candidate) -> tuple[str, list[str]]:
    """What one candidate lacks, and which of its names are near."""
    target = candidate.btf
    found = locate(local, decision.access, target, candidate.type, places)
    name = f"'{type_name(target, candidate.type)}' [{candidate.type}]"
    if not isinstance(found, Mismatch):
        return f"{name} has it", []
    part = decision.access.parts[found.position]
    inside = f"{name}: " if found.position <= 1 else f"{name}: in '{type_name(target, found.type)}' "
    if part.name is None:
        return inside + _element_told(target, found, part), []
    if decision.access.parts[0].name is not None:
        enum = target[found.type]
        names = [item.name for item in enum.enumerators] if isinstance(enum, Enum) else []
        return f"{inside}no enumerator '{part.name}'", _nearest(part.name, names)
    members = places(target, found.type) if target.kind(found.type) in (Kind.STRUCT, Kind.UNION) else {}
    place = members.get(part.name)
    if place is None:
        return f"{inside}no member '{part.name}'", _nearest(part.name, members)
    ours = type_name(local, member_at(local, part.type, part.index).type)
    return f"{inside}'{part.name}' is '{type_name(target, place.type)}' there, '{ours}' in the object", []


def _element_told(target: Btf, found: Mismatch, part: Part) -> str:
    array = target[found.type]
    if isinstance(array, Array):
        return f"no element {part.index}, the array has {array.count}"
    return f"element {part.index} of what is no array, but '{type_name(target, found.type)}'"


def _nearest(wanted: str, names: Iterable[str]) -> list[str]:
    return near_names(essential_name(wanted), names, limit=3)


def _near(names: list[str]) -> str:
    return f"; near: {', '.join(repr(name) for name in names)}" if names else ""


def _remedy(decision: Decision) -> str:
    if decision.access.parts[0].name is not None:
        return "ask bpf_core_enum_value_exists() first, and go another way where it says no"
    return (
        "ask bpf_core_field_exists() first, and where it says no read the field's new name through a flavour: "
        f"struct {essential_name(decision.root)}___new {{ ... }}"
    )
