"""Why an access was poisoned, in words: asked only when the verifier came to it.

It says what the target's types lack and which names are near (`task_struct.state` became `__state`), or, where they
have it, what the instruction would have read wrongly. Types are named without the flavour that the program gave them.
"""

from typing import NamedTuple

from purebpf.btf import Array, Btf, Enum, Kind, type_name
from purebpf.btf.members import COMPOUND, member_at
from purebpf.btf.names import names_of
from purebpf.near import near_names
from purebpf.relocate.access import ENUM_KINDS, Access, Mismatch, Part, locate
from purebpf.relocate.candidates import Candidate, places
from purebpf.relocate.compat import essential_name
from purebpf.relocate.model import Failure, Fixup
from purebpf.relocate.resolve import Decision

_MOST_CANDIDATES = 4
_KEYWORDS: dict[int, str] = {Kind.STRUCT: "struct ", Kind.UNION: "union ", Kind.ENUM: "enum ", Kind.ENUM64: "enum "}
_ALIKE: dict[int, tuple[int, ...]] = {Kind.ENUM: (Kind.ENUM, Kind.ENUM64), Kind.ENUM64: (Kind.ENUM, Kind.ENUM64)}


def explain_poison(fixup: Fixup) -> Failure:
    """What stands in the way of a poisoned fixup."""
    decision = fixup.decision
    if decision.target is not None:
        return _wrong_size(decision)
    if not decision.candidates:
        return _no_such_type(decision)
    lacks = [_lack(decision, candidate) for candidate in decision.candidates]
    told = [f"{lack.type} there: {lack.detail}" for lack in lacks[:_MOST_CANDIDATES]]
    if len(lacks) > len(told):
        told.append(f"and {len(lacks) - len(told)} more of that name")
    if all(lack.misshapen for lack in lacks):
        reason = f"'{lacks[0].path}' is something else in this kernel: {lacks[0].detail}"
    else:
        near = list(dict.fromkeys(name for lack in lacks for name in lack.near))
        reason = f"{_subject(decision, lacks)} is not in this kernel{_near(near)}"
    return Failure(reason, (_asked(decision), *told), _remedy(decision, any(lack.near for lack in lacks)))


class _Lack(NamedTuple):
    """What one candidate does not have: the path up to it, in words, and the names that are near."""

    type: str
    path: str
    detail: str
    misshapen: bool = False
    near: tuple[str, ...] = ()


def _lack(decision: Decision, candidate: Candidate) -> _Lack:
    target, access = candidate.btf, decision.access
    name = f"'{type_name(target, candidate.type)}' [{candidate.type}]"
    local = _object_types(decision)
    found = locate(local, access, target, candidate.type, places)
    assert isinstance(found, Mismatch)
    part = access.parts[found.position]
    path = Access(access.root, access.parts[: found.position + 1]).text(essential_name(decision.root))
    inside = "" if found.position <= 1 else f"in '{type_name(target, found.type)}' "
    if part.name is None:
        return _Lack(name, path, _element_lack(candidate, found, part), misshapen=True)
    if decision.kind in ENUM_KINDS:
        enum = target[found.type]
        names = [item.name for item in enum.enumerators] if isinstance(enum, Enum) else []
        return _Lack(name, path, f"no enumerator '{part.name}'", near=_nearest(part.name, names))
    if target.kind(found.type) not in COMPOUND:
        return _Lack(name, path, f"no struct that has members, but '{type_name(target, found.type)}'", misshapen=True)
    members = places(target, found.type)
    place = members.get(part.name)
    if place is None:
        return _Lack(name, path, f"{inside}no member '{part.name}'", near=_nearest(part.name, list(members)))
    ours = type_name(local, member_at(local, part.type, part.index).type)
    theirs = type_name(target, member_at(target, *place[:2]).type)
    return _Lack(name, path, f"'{theirs}', not '{ours}' as in the object", misshapen=True)


def _element_lack(candidate: Candidate, found: Mismatch, part: Part) -> str:
    array = candidate.btf[found.type]
    if isinstance(array, Array):
        return f"the array has {array.count} element{'s' if array.count != 1 else ''}, asked for is [{part.index}]"
    return f"'{type_name(candidate.btf, found.type)}', no array"


def _wrong_size(decision: Decision) -> Failure:
    ours, theirs, chosen = decision.local, decision.target, decision.chosen
    assert theirs is not None
    assert chosen is not None
    path = decision.access.text(essential_name(decision.root))
    return Failure(
        f"'{path}' has {theirs.size} bytes in this kernel, not {ours.size} as in the object",
        (
            _asked(decision),
            f"in the object: '{type_name(_object_types(decision), ours.type)}', {ours.size} bytes",
            f"in the kernel: '{type_name(chosen.btf, theirs.type)}', {theirs.size} bytes",
            "a load or store of another size is right for pointers and unsigned integers only",
        ),
        "declare it in the object with the kernel's type and size, or read it with bpf_core_read(), which copies bytes",
    )


def _no_such_type(decision: Decision) -> Failure:
    wanted, kernel = essential_name(decision.root), decision.kernel
    assert kernel is not None
    kind = _object_types(decision).kind(decision.access.root)
    near = near_names(wanted, names_of(kernel, *_ALIKE.get(kind, (kind,))), limit=3)
    reason = f"'{_KEYWORDS.get(kind, 'type ')}{wanted}' is not in this kernel{_near(near)}"
    evidence = [_asked(decision)]
    if wanted != decision.root:
        evidence.append(f"a name counts up to its last ___: '{decision.root}' stands for '{wanted}'")
    exists = "bpf_core_enum_value_exists" if decision.kind in ENUM_KINDS else "bpf_core_type_exists"
    remedy = "it may be in a module that is not loaded, or in a part of the kernel that was not built; where it may be "
    remedy += f"missing, ask {exists}() first"
    return Failure(reason, tuple(evidence), remedy)


def _object_types(decision: Decision) -> Btf:
    assert decision.types is not None
    return decision.types


def _subject(decision: Decision, lacks: list[_Lack]) -> str:
    if decision.kind in ENUM_KINDS:
        return f"enumerator '{decision.access.parts[0].name}' of 'enum {essential_name(decision.root)}'"
    return f"'{lacks[0].path}'"


def _asked(decision: Decision) -> str:
    return f"asked for: {decision.question}"


def _nearest(wanted: str, names: list[str]) -> tuple[str, ...]:
    return tuple(near_names(essential_name(wanted), names, limit=3))


def _near(names: list[str]) -> str:
    return f"; near: {', '.join(repr(name) for name in names[:5])}" if names else ""


def _remedy(decision: Decision, renamed: bool) -> str:
    if decision.kind in ENUM_KINDS:
        return "ask bpf_core_enum_value_exists() first, and go another way where it says no"
    remedy = "ask bpf_core_field_exists() first, and go another way where it says no"
    if renamed:
        kind = _KEYWORDS.get(_object_types(decision).kind(decision.access.root), "")
        flavour = f"{kind}{essential_name(decision.root)}___new"
        remedy += f": a field that was renamed is read through a type of your own, '{flavour}', that has the new name"
    return remedy
