"""Where in the words of a record the type ids and the string offsets stand.

Rules: a record is three head words (name, info, size or type) and what its kind adds; all numbers here are word
indices into the type section. What renumbers or moves records (merging, deduplication, sorting, cutting) works on
words with these and never builds a type: a vmlinux has 126 000.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

from purebpf.btf.kinds import KIND_MASK, VLEN_MASK
from purebpf.btf.types import Kind
from purebpf.errors import BtfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.btf.reader import Btf

IdMap = Sequence[int]
"""New ids, indexed by the old ones; 0 is 0."""

Slots = Callable[[int, int], Sequence[int]]
"""`(word of the record, its vlen) -> words`."""

HEAD_WORDS = 3
_NONE: tuple[int, ...] = ()


def _no_slots(at: int, vlen: int) -> Sequence[int]:
    return _NONE


def _head_reference(at: int, vlen: int) -> Sequence[int]:
    return (at + 2,)


def _array_references(at: int, vlen: int) -> Sequence[int]:
    return (at + 3, at + 4)


def _member_references(at: int, vlen: int) -> Sequence[int]:
    return range(at + 4, at + 4 + 3 * vlen, 3)


def _first_of_three(at: int, vlen: int) -> Sequence[int]:
    return range(at + 3, at + 3 + 3 * vlen, 3)


def _first_of_two(at: int, vlen: int) -> Sequence[int]:
    return range(at + 3, at + 3 + 2 * vlen, 2)


def _prototype_references(at: int, vlen: int) -> Sequence[int]:
    return (at + 2, *range(at + 4, at + 4 + 2 * vlen, 2))


_HEAD_KINDS = (
    Kind.PTR,
    Kind.TYPEDEF,
    Kind.VOLATILE,
    Kind.CONST,
    Kind.RESTRICT,
    Kind.FUNC,
    Kind.VAR,
    Kind.DECL_TAG,
    Kind.TYPE_TAG,
)

_ID_SLOTS: dict[int, Slots] = {
    **{kind.value: _head_reference for kind in _HEAD_KINDS},
    Kind.ARRAY.value: _array_references,
    Kind.STRUCT.value: _member_references,
    Kind.UNION.value: _member_references,
    Kind.FUNC_PROTO.value: _prototype_references,
    Kind.DATASEC.value: _first_of_three,
}

_NAME_SLOTS: dict[int, Slots] = {
    Kind.STRUCT.value: _first_of_three,
    Kind.UNION.value: _first_of_three,
    Kind.ENUM.value: _first_of_two,
    Kind.ENUM64.value: _first_of_three,
    Kind.FUNC_PROTO.value: _first_of_two,
}

KNOWN = frozenset(kind.value for kind in Kind)


def id_slots(info: int, at: int) -> Sequence[int]:
    """The words that hold type ids, of the record at word `at` whose second word is `info`."""
    return _ID_SLOTS.get(info >> 24 & KIND_MASK, _no_slots)(at, info & VLEN_MASK)


def name_slots(info: int, at: int) -> Sequence[int]:
    """The words behind the head that hold string offsets; the record's own name is word `at` itself."""
    return _NAME_SLOTS.get(info >> 24 & KIND_MASK, _no_slots)(at, info & VLEN_MASK)


def refuse_unknown_kinds(btf: Btf) -> None:
    """BtfError for a kind whose ids nobody can find, and so nobody can renumber."""
    unknown = sorted(btf.kinds() - KNOWN)
    if unknown:
        reason = f"types of kind {unknown[0]} cannot be given new ids: this library does not know where they hold ids"
        raise BtfError(reason, file=btf.name, section=".BTF")


def bad_reference(btf: Btf, type_id: int, target: int) -> BtfError:
    """The complaint about an id that does not exist."""
    reason = f"type {type_id} refers to type {target}, the last one is {btf.end_id - 1}"
    return BtfError(reason, file=btf.name, section=".BTF")


def record_ends(btf: Btf) -> array[int]:
    """The word behind each own type's record, as `btf.places` has the first."""
    ends = array("I", btf.places)
    ends.append(len(btf.words))
    del ends[0]
    return ends


def renumbered(btf: Btf, kept: Sequence[int], ids: IdMap, string: Callable[[int], int]) -> array[int]:
    """The records of the own types `kept`, in that order, as native words for a new section.

    Each id is replaced by its entry in `ids`, each string offset by what `string` gives for it.
    """
    refuse_unknown_kinds(btf)
    source, places, first = memoryview(btf.words), btf.places, btf.first_id
    ends = record_ends(btf)
    as_bytes, words = source.cast("B"), array("I")
    for type_id in kept:
        at = len(words)
        words.frombytes(as_bytes[4 * places[type_id - first] : 4 * ends[type_id - first]])
        info = words[at + 1]
        for slot in id_slots(info, at):
            if words[slot] >= btf.end_id:
                raise bad_reference(btf, type_id, words[slot])
            words[slot] = ids[words[slot]]
        if words[at]:
            words[at] = string(words[at])
        for slot in name_slots(info, at):
            if words[slot]:
                words[slot] = string(words[slot])
    return words
