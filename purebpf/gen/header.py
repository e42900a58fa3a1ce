"""A C header of the types of a BTF: all of them (the famous vmlinux.h) or some and what they need.

The order, the forward declarations and the names of types that clash are those a BPF program's C compiler needs; the
layouts are those of the BTF. The same BTF gives the same header, byte for byte.
"""

from collections.abc import Collection, Iterable, Sequence

from purebpf.btf.reader import Btf
from purebpf.btf.slots import id_slots
from purebpf.btf.types import Kind
from purebpf.errors import BtfError
from purebpf.gen.kfuncs import CLOSING, kfuncs, opening
from purebpf.gen.order import Order
from purebpf.gen.table import Table
from purebpf.gen.text import Text

GUARD = "__VMLINUX_H__"

_PRESERVE = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif
"""
_PRESERVE_END = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif
"""

_C23 = "#if __STDC_VERSION__ > 201710L && (!defined(__clang__) || __clang_major__ > 14)\n"
"""Of compilers in whose C `bool`, `true` and `false` are keywords; clang 14 says C23 and has none of them yet."""

_FUNC = Kind.FUNC.value
_TYPEDEF, _FWD, _INT, _FLOAT = Kind.TYPEDEF.value, Kind.FWD.value, Kind.INT.value, Kind.FLOAT.value
_TAGGED = frozenset({Kind.STRUCT.value, Kind.UNION.value, Kind.ENUM.value, Kind.ENUM64.value})
_ENUMS = frozenset({Kind.ENUM.value, Kind.ENUM64.value})
_SHOWN = _TAGGED | {_TYPEDEF, _FWD}
_KINDS_BY_TAG: dict[str, frozenset[int]] = {
    "struct": frozenset({Kind.STRUCT}),
    "union": frozenset({Kind.UNION}),
    "enum": frozenset(_ENUMS),
    "typedef": frozenset({_TYPEDEF}),
}
_REFERRING = frozenset(
    kind.value for kind in (Kind.PTR, Kind.TYPEDEF, Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.TYPE_TAG, Kind.VAR)
)
_HOLDING = frozenset(kind.value for kind in (Kind.STRUCT, Kind.UNION, Kind.ARRAY, Kind.FUNC_PROTO))


def header(
    btf: Btf, types: Iterable[int] | None = None, *, guard: str = GUARD, preserve_access_index: bool = True
) -> str:
    """The header of the types `types` (all own types by default) and of what they need.

    Functions that are marked as kfuncs come with all types, as prototypes; others only where `types` names them.
    `guard` is the macro that keeps it from being read twice. `preserve_access_index` makes each access to the types
    one that CO-RE adapts to the running kernel, as a header of kernel types should.
    """
    table = Table(btf)
    printer = _Header(table)
    if types is None:
        printer.add_all()
    else:
        for each in types:
            printer.add(each)
    printer.add_prototypes()
    opening, closing = (_PRESERVE + "\n", _PRESERVE_END + "\n") if preserve_access_index else ("", "")
    words = printer.text.names_of_c23()
    top = f"#ifndef {guard}\n#define {guard}\n\n{opening}{_hidden(words)}"
    return "".join([top, *printer.parts, _shown_again(words), closing, f"#endif /* {guard} */\n"])


def _hidden(words: Sequence[str]) -> str:
    """Make names of new keywords while the header is read, with a `_` behind: some struct has a member `bool`."""
    return _for_c23([f"#define {word} {word}_\n" for word in words])


def _shown_again(words: Sequence[str]) -> str:
    return _for_c23([f"#undef {word}\n" for word in words])


def _for_c23(lines: Sequence[str]) -> str:
    return "".join([_C23, *lines, "#endif\n\n"]) if lines else ""


def ids_named(btf: Btf, names: Collection[str], *, everything: bool = False) -> list[int]:
    """The ids of every type of those names that a header can show; 'struct x' for that of a struct only.

    A name that no type has may be a function's. `everything` takes types of all kinds: functions, variables, integers.
    ValueError for a name that nothing has.
    """
    return [each for name in names for each in _ids_named(btf, name, everything)]


def _ids_named(btf: Btf, name: str, everything: bool) -> list[int]:
    # Only a tag stands before a name: 'unsigned int' is the name of an integer.
    word, _, rest = name.partition(" ")
    kinds = _KINDS_BY_TAG.get(word)
    if kinds is None:
        kinds, rest = frozenset(Kind) if everything else _SHOWN - {_FWD}, name
    ids: list[int] = [each for each in btf.find(rest) if btf.kind(each) in kinds] if rest else []
    if not ids and rest == name:
        # Of static functions a kernel has several of one name; one prototype is enough.
        ids += btf.find(name, Kind.FUNC)[:1]
    if ids:
        return ids
    from purebpf.btf.names import names_of
    from purebpf.near import near_names

    shown = kinds | {Kind.FUNC} if rest == name else kinds
    parts = [btf]
    while parts[-1].base is not None:
        parts.append(parts[-1].base)
    near = near_names(rest, (text for part in parts for text in names_of(part, *shown)))
    alike = f"; alike: {', '.join(near)}" if near else ""
    raise ValueError(f"there is no type '{name}' in {btf.name or 'this BTF'}{alike}")


class _Header:
    """The parts of a header in the order in which they are printed."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.text = Text(table)
        self.parts: list[str] = []
        self._order = Order(table, self._declare, self._define)
        self._declared: set[str] = set()
        self._marked = kfuncs(table)
        self._functions: list[int] = []

    def add(self, type_id: int) -> None:
        """Have a type printed if it is one that has a place of its own in a header."""
        if not 0 < type_id < self.table.end_id:
            raise BtfError(f"there is no type {type_id}", file=self.table.btf.name, section=".BTF")
        if self.table.kinds[type_id] == _FUNC:
            self._add_function(type_id)
            return
        self._order.complete(type_id)
        if self.table.kinds[type_id] in _ENUMS and not self.table.words[self.table.places[type_id]]:
            self._define(type_id)

    def add_all(self) -> None:
        """Have every own type printed; an anonymous enum where nothing that is printed holds it."""
        table, complete = self.table, self._order.complete
        held = self._held_enums()
        for type_id in range(table.first_id, table.end_id):
            kind = table.kinds[type_id]
            if kind in _SHOWN:
                if table.words[table.places[type_id]]:
                    complete(type_id)
                elif kind in _ENUMS and type_id not in held:
                    self._define(type_id)

        for function in self._marked:
            self._add_function(function)

    def _add_function(self, type_id: int) -> None:
        self._order.name(self.table.target(type_id))
        self._functions.append(type_id)

    def add_prototypes(self) -> None:
        """Print the functions that were added, behind all types."""
        if not self._functions:
            return
        table, text = self.table, self.text
        functions = {each: self._marked.get(each, "") for each in self._functions}
        self.parts.append(opening(functions))
        for each, before in functions.items():
            declared = text.declare(table.target(each), text.identifiers.unique(table.name(each)))
            self.parts.append(text.spend(f"extern {before}{declared} __weak __ksym;\n"))
        self.parts.append(CLOSING)

    def _held_enums(self) -> set[int]:
        """The anonymous enums that some other type holds: those are printed in place."""
        table = self.table
        words, places = table.words, table.places
        enums = {each for each, kind in enumerate(table.kinds) if kind in _ENUMS and not words[places[each]]}
        held = set[int]()
        for kind, place in zip(table.kinds, places, strict=True):
            if kind in _REFERRING:
                if words[place + 2] in enums:
                    held.add(words[place + 2])
            elif kind in _HOLDING:
                slots = id_slots(words[place + 1], place)
                held.update(
                    words[slots.start : slots.stop : slots.step]
                    if isinstance(slots, range)
                    else map(words.__getitem__, slots)
                )
        return held & enums

    def _declare(self, type_id: int) -> None:
        line = f"{self.text.tagged(type_id)};\n\n"
        if line not in self._declared:
            self._declared.add(line)
            self.parts.append(self.text.spend(line))

    def _define(self, type_id: int) -> None:
        table, text = self.table, self.text
        kind = table.kinds[type_id]
        if kind in (_INT, _FLOAT):
            if text.is_foreign(type_id):
                self.parts.append(text.spend(f"typedef {text.stand_in(type_id)} {text.base(type_id)};\n\n"))
        elif kind == _TYPEDEF:
            declared = text.declare(table.target(type_id), text.name(type_id))
            self.parts.append(text.spend(f"typedef {declared};\n\n"))
        else:
            name = text.name(type_id) if table.words[table.places[type_id]] else ""
            self.parts.append(f"{text.body(type_id, name)};\n\n")
