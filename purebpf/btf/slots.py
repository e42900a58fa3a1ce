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

HEAD_KINDS = frozenset(
    kind.value
    for kind in (
        Kind.PTR,
        Kind.TYPEDEF,
        Kind.VOLATILE,
        Kind.CONST,
        Kind.RESTRICT,
        Kind.FUNC,
        Kind.FUNC_PROTO,
        Kind.VAR,
        Kind.DECL_TAG,
        Kind.TYPE_TAG,
    )
)
"""Kinds whose third word is a type id."""

LISTED_IDS: dict[int, tuple[int, int]] = {
    Kind.ARRAY.value: (3, 1),
    Kind.STRUCT.value: (4, 3),
    Kind.UNION.value: (4, 3),
    Kind.FUNC_PROTO.value: (4, 2),
    Kind.DATASEC.value: (3, 3),
}
"""Kinds with type ids behind the head: the word of the first, and how far apart they are. An array has two."""

LISTED_NAMES: dict[int, tuple[int, int]] = {
    Kind.STRUCT.value: (3, 3),
    Kind.UNION.value: (3, 3),
    Kind.ENUM.value: (3, 2),
    Kind.ENUM64.value: (3, 3),
    Kind.FUNC_PROTO.value: (3, 2),
}
"""Kinds with names behind the head, likewise."""

ARRAY = Kind.ARRAY.value

KNOWN = frozenset(kind.value for kind in Kind)


def id_slots(info: int, at: int) -> Sequence[int]:
    """The words that hold type ids, of the record at word `at` whose second word is `info`."""
    kind = info >> 24 & KIND_MASK
    listed = _listed(LISTED_IDS, kind, 2 if kind == ARRAY else info & VLEN_MASK, at)
    return (at + 2, *listed) if kind in HEAD_KINDS else listed


def name_slots(info: int, at: int) -> Sequence[int]:
    """The words behind the head that hold string offsets; the record's own name is word `at` itself."""
    return _listed(LISTED_NAMES, info >> 24 & KIND_MASK, info & VLEN_MASK, at)


def _listed(table: dict[int, tuple[int, int]], kind: int, count: int, at: int) -> range:
    begin, width = table.get(kind, (0, 1))
    return range(at + begin, at + begin + width * count, width) if kind in table else range(0)


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
    ends = btf.places
    ends.append(len(btf.words))
    del ends[0]
    return ends


def renumbered(btf: Btf, kept: Sequence[int], ids: IdMap, string: Callable[[int], int]) -> array[int]:
    """The records of the own types `kept`, in that order, as native words for a new section.

    Each id is replaced by its entry in `ids`, each string offset by what `string` gives for it.
    """
    refuse_unknown_kinds(btf)
    source, places, first, end_id = memoryview(btf.words), btf.places, btf.first_id, btf.end_id
    ends = record_ends(btf)
    as_bytes, words = source.cast("B"), array("I")
    heads, listed_ids, listed_names, new = HEAD_KINDS, LISTED_IDS, LISTED_NAMES, ids.__getitem__
    for type_id in kept:
        at = len(words)
        words.frombytes(as_bytes[4 * places[type_id - first] : 4 * ends[type_id - first]])
        info = words[at + 1]
        kind = info >> 24 & KIND_MASK
        if words[at]:
            words[at] = string(words[at])
        if kind in heads:
            if words[at + 2] >= end_id:
                raise bad_reference(btf, type_id, words[at + 2])
            words[at + 2] = new(words[at + 2])
        count = 2 if kind == ARRAY else info & VLEN_MASK
        if not count:
            continue
        if kind in listed_ids:
            begin, width = listed_ids[kind]
            slots = slice(at + begin, at + begin + width * count, width)
            old = words[slots]
            if max(old) >= end_id:
                raise bad_reference(btf, type_id, max(old))
            words[slots] = array("I", map(new, old))
        if kind in listed_names:
            begin, width = listed_names[kind]
            slots = slice(at + begin, at + begin + width * count, width)
            words[slots] = array("I", [each and string(each) for each in words[slots]])
    return words
