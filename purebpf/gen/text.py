"""Any type as C text, with the layout that the BTF says.

Rules: a declaration is what stands left of the declared name and what stands right of it; those of a type are put
together from those of the types that it refers to, and kept. Named types are referred to, anonymous ones printed in
place, indented by whoever holds them. A text with an enum's values in it is not kept: printed again it needs other
names for them. Depth and the length of all text are bounded, for a damaged BTF can describe a type that contains
itself or a few types that take gigabytes to print.
"""

from collections.abc import Sequence

from purebpf.btf.padding import padding
from purebpf.btf.types import Kind
from purebpf.errors import BtfError
from purebpf.gen.names import C23_KEYWORDS, NameSpace
from purebpf.gen.places import MAX_DEPTH, Place, Places
from purebpf.gen.table import Table

MAX_TEXT = 32 << 20
"""Characters of a whole header; a kernel's has 3 million."""

_VOID, _INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM = range(7)
_FWD, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT = 7, 8, 9, 10, 11
_FUNC_PROTO, _FLOAT, _TYPE_TAG, _ENUM64 = Kind.FUNC_PROTO.value, Kind.FLOAT.value, 18, 19
_TAGGED = frozenset({_STRUCT, _UNION, _FWD})
_NAMED = _TAGGED | {_ENUM, _ENUM64, _TYPEDEF}
_QUALIFIERS = {_VOLATILE: "volatile", _CONST: "const", _RESTRICT: "restrict"}

_BASE, _POINTER, _TIGHT, _FUNCTION = 0, 1, 2, 4
"""Of a declaration: qualifiers go before the type; behind its `*`; a pointer to it needs parentheses; nowhere."""

BUILT_IN = {
    **dict.fromkeys(("char", "signed char", "unsigned char"), 1),
    **dict.fromkeys(("short", "short int", "short unsigned int", "unsigned short", "unsigned short int"), 2),
    **dict.fromkeys(("int", "unsigned int", "unsigned", "signed int", "float"), 4),
    **dict.fromkeys(("long", "long int", "long unsigned int", "unsigned long", "unsigned long int", "double"), 8),
    **dict.fromkeys(("long long", "long long int", "long long unsigned int", "unsigned long long"), 8),
    **dict.fromkeys(("__int128", "__int128 unsigned", "unsigned __int128"), 16),
    "_Bool": 1,
}
"""Names that a C compiler for BPF knows, and the sizes it gives them."""

_WORDS = {1: "char", 2: "short", 4: "int", 8: "long long", 16: "__int128"}
_MODES = {1: "byte", 2: "HI", 8: "DI"}

Declaration = tuple[str, str, int]
"""Left of the name, right of it, and a sum of the constants above."""


class Text:
    """The C text of the types of one header, names and all."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.places = Places(table)
        self.tags = NameSpace(self._is_a_name)
        self.identifiers = NameSpace(self._is_a_name)
        self._names: dict[int, str] = {}
        self._declarations: dict[int, Declaration] = {0: ("void ", "", _BASE)}
        self._first_definitions: dict[tuple[str, int], int] | None = None
        self._all_names: frozenset[str] | None = None
        self._values_printed = 0
        self._length = 0
        self._depth = 0

    def _is_a_name(self, name: str) -> bool:
        if self._all_names is None:
            table = self.table
            shown = [each for each, kind in enumerate(table.kinds) if kind in _NAMED]
            self._all_names = frozenset(map(table.name, shown))
        return name in self._all_names

    def spend(self, text: str) -> str:
        """`text`, counted; BtfError once a header gets absurdly long."""
        self._length += len(text)
        if self._length > MAX_TEXT:
            raise self._too_long()
        return text

    def _too_long(self) -> BtfError:
        reason = f"printed as C these types take more than {MAX_TEXT >> 20} MB"
        return BtfError(reason, file=self.table.btf.name, section=".BTF")

    def names_of_c23(self) -> list[str]:
        """What was printed as a name and is a keyword since C23."""
        printed = {*self.table.identifiers.values(), *self.identifiers.given, *self.tags.given}
        return sorted(C23_KEYWORDS & printed)

    def name(self, type_id: int) -> str:
        """The name of a tagged type or typedef in this header, given when it is first asked for."""
        found = self._names.get(type_id)
        if found is None:
            space = self.identifiers if self.table.kinds[type_id] == _TYPEDEF else self.tags
            found = self._names[type_id] = space.unique(self.table.name(type_id))
        return found

    def definition(self, forward: int) -> int:
        """The type whose name a FWD stands for: the first definition of its name and kind, else the FWD itself."""
        if self._first_definitions is None:
            table = self.table
            tagged = [(table.name(each), kind, each) for each, kind in enumerate(table.kinds) if kind in _TAGGED]
            found = self._first_definitions = {}
            for name, kind, each in tagged:
                if kind != _FWD:
                    found.setdefault((name, kind), each)
            for name, kind, each in tagged:
                if kind == _FWD:
                    found.setdefault((name, _UNION if table.flag(each) else _STRUCT), each)
        union = _UNION if self.table.flag(forward) else _STRUCT
        return self._first_definitions[self.table.name(forward), union]

    def tagged(self, type_id: int) -> str:
        """'struct task_struct', 'union x', 'enum y'."""
        kind = self.table.kinds[type_id]
        if kind == _FWD:
            word = "union" if self.table.flag(type_id) else "struct"
            return f"{word} {self.name(self.definition(type_id))}"
        word = "struct" if kind == _STRUCT else "union" if kind == _UNION else "enum"
        return f"{word} {self.name(type_id)}"

    def declare(self, type_id: int, name: str) -> str:
        """`name` declared as of that type, without a semicolon."""
        left, right, _ = self.declaration(type_id)
        return f"{left}{name}{right}" if name else f"{left}{right}".rstrip()

    def declaration(self, type_id: int) -> Declaration:
        """What stands left and right of a name that is declared as of that type."""
        known = self._declarations.get(type_id)
        if known is not None:
            return known
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._depth = 0
            raise self.table.fault(type_id, "is nested too deeply or contains itself")
        before = self._values_printed
        made = self._make(type_id)
        self.spend(made[0])
        self.spend(made[1])
        if before == self._values_printed:
            self._declarations[type_id] = made
        self._depth -= 1
        return made

    def _make(self, type_id: int) -> Declaration:
        table = self.table
        kind = table.kinds[type_id]
        if kind == _PTR:
            left, right, sort = self.declaration(table.target(type_id))
            return (f"{left}(*", f"){right}", _POINTER) if sort & _TIGHT else (f"{left}*", right, _POINTER)
        if kind in (_STRUCT, _UNION, _ENUM, _ENUM64):
            if table.words[table.places[type_id]]:
                return f"{self.tagged(type_id)} ", "", _BASE
            return f"{self.body(type_id, '')} ", "", _BASE
        if kind == _TYPEDEF:
            return f"{self.name(type_id)} ", "", _BASE
        if kind == _FWD:
            return f"{self.tagged(type_id)} ", "", _BASE
        if kind == _ARRAY:
            element, count = table.element(type_id)
            left, right, sort = self.declaration(element)
            return left, f"[{count}]{right}", sort & _POINTER | _TIGHT
        if kind == _FUNC_PROTO:
            left, right, _ = self.declaration(table.target(type_id))
            return left, f"({self._parameters(type_id)}){right}", _TIGHT | _FUNCTION
        if kind in _QUALIFIERS or kind == _TYPE_TAG:
            return self._qualified(type_id, kind)
        if kind in (_INT, _FLOAT):
            return f"{self.base(type_id)} ", "", _BASE
        raise table.fault(type_id, f"is no type of an object: its kind is {Kind(kind).name.lower()}")

    def _qualified(self, type_id: int, kind: int) -> Declaration:
        left, right, sort = self.declaration(self.table.target(type_id))
        if sort & _FUNCTION or (kind == _RESTRICT and not sort & _POINTER):
            return left, right, sort
        if kind == _TYPE_TAG:
            tag = self.table.name(type_id)
            attribute = tag if self.table.flag(type_id) else f'btf_type_tag("{tag}")'
            return f"{left}__attribute__(({attribute})) ", right, sort
        word = f"{_QUALIFIERS[kind]} "
        # An array of const that is const itself is in every kernel; C warns about the second one.
        if left.endswith(word) if sort & _POINTER else left.startswith(word):
            return left, right, sort
        return (f"{left} {word}" if sort & _POINTER else f"{word}{left}"), right, sort

    def _parameters(self, type_id: int) -> str:
        names, types = self.table.columns(type_id, 2)
        self.table.checked(type_id, types)
        if not types:
            return "void"
        identifiers = self.table.identifiers
        listed = [self.spend(self.declare(each, identifiers[name])) for name, each in zip(names, types, strict=True)]
        if not types[-1]:
            listed[-1] = "..."
        return ", ".join(listed)

    def base(self, type_id: int) -> str:
        """What C calls an integer or floating-point type, or the name of the typedef that stands in for it."""
        table = self.table
        name = table.name(type_id)
        if BUILT_IN.get(name) == table.third(type_id):
            return name
        if not self.is_foreign(type_id):
            return self.stand_in(type_id)
        found = self._names.get(type_id)
        if found is None:
            found = self._names[type_id] = self.identifiers.unique(name)
        return found

    def stand_in(self, type_id: int) -> str:
        """Something of the same size and signedness as a type that no C compiler for BPF has."""
        table = self.table
        size, name = table.third(type_id), table.name(type_id)
        if table.kinds[type_id] == _FLOAT or size not in _WORDS:
            if size in (4, 8):
                return "float" if size == 4 else "double"
            if not size or size > 16:
                raise table.fault(type_id, f"has a size of {size} bytes")
            alignment = self.places.measure(type_id)[1]
            return f"struct {{ unsigned char bytes[{size}]; }} __attribute__((aligned({alignment})))"
        signed = table.words[table.places[type_id] + 3] >> 24 & 1
        return f"{'signed' if signed else 'unsigned'} {_WORDS[size]}" if name not in ("_Bool", "bool") else _WORDS[size]

    def is_foreign(self, type_id: int) -> bool:
        """Whether an integer or floating-point type needs a typedef before it can be used."""
        name = self.table.name(type_id)
        return bool(name) and name not in BUILT_IN

    def body(self, type_id: int, tag: str) -> str:
        """A struct, union or enum with what it holds, without a semicolon; `tag` is its name here or nothing."""
        table = self.table
        kind = table.kinds[type_id]
        space = f" {tag}" if tag else ""
        if kind == _STRUCT:
            lines, attribute = self._struct_lines(type_id)
            word = "struct"
        elif kind == _UNION:
            lines, attribute = self._union_lines(type_id)
            word = "union"
        elif table.count(type_id):
            lines, attribute = self._enum_lines(type_id)
            word = "enum"
        else:
            # C has no enum without values, but one that is only declared; what it is for stands in another file.
            return f"enum{space}" if tag else _WORDS.get(table.third(type_id), "int")
        inner = "".join(
            [f"\t{line}\n" if "\n" not in line else "\t" + line.replace("\n", "\n\t") + "\n" for line in lines]
        )
        return self.spend(f"{word}{space} {{\n{inner}}}{attribute}" if inner else f"{word}{space} {{}}{attribute}")

    def _enum_lines(self, type_id: int) -> tuple[list[str], str]:
        table = self.table
        wide, signed, size = table.kinds[type_id] == _ENUM64, table.flag(type_id), table.third(type_id)
        unique, texts = self.identifiers.unique, table.texts
        if wide:
            names, low, high = table.columns(type_id, 3)
            values = [upper << 32 | lower for lower, upper in zip(low, high, strict=True)]
        else:
            names, low = table.columns(type_id, 2)
            values = list(low)
        if signed:
            top = 63 if wide else 31
            values = [value - (value >> top << (top + 1)) for value in values]
        suffix = "" if not wide else "LL" if signed else "ULL"
        self._values_printed += len(values)
        spend = self.spend
        lines = [f"{spend(unique(texts[name]))} = {value}{suffix}," for name, value in zip(names, values, strict=True)]
        mode = _MODES.get(size) if not (wide and size == 8) else None
        return lines, f" __attribute__((mode({mode})))" if mode else ""

    def _struct_lines(self, type_id: int) -> tuple[list[str], str]:
        table = self.table
        offsets, types, _ = table.columns(type_id, 3)
        known, declaration, names = self._declarations, self.declaration, table.identifiers
        packed = self.places.is_packed(type_id)
        lines: list[str] = []
        position, alignment, room = 0, 1, MAX_TEXT - self._length
        for offset, each, (begin, width, size, needed) in zip(
            offsets, types, self.places.members(type_id), strict=True
        ):
            unnamed = "" if offset else self._unnamed(each)
            if not offset and not unnamed:
                continue
            if packed:
                needed = 1
            elif needed > alignment:
                alignment = needed
            unit = 8 * size
            if not width:
                natural = position + -position % (8 * needed)
                end = begin + unit
            else:
                fits = packed or not unit or position // unit == (position + width - 1) // unit
                natural = position if fits else position + -position % unit
                end = begin + width
            if natural != begin:
                if begin < position:
                    raise table.fault(type_id, f"has a member '{names[offset]}' that overlaps the one before it")
                lines += padding(position, begin)
            if offset:
                left, right, _ = known.get(each) or declaration(each)
                room -= len(left)
                if room < 0:
                    raise self._too_long()
                lines.append(f"{left}{names[offset]}{right}: {width};" if width else f"{left}{names[offset]}{right};")
            else:
                lines.append(self.spend(unnamed))
            position = end
        whole = 8 * table.third(type_id)
        if position + -position % (8 * alignment) != whole:
            if position > whole:
                raise table.fault(type_id, f"has members that reach beyond its {whole // 8} bytes")
            lines += padding(position, whole)
        return lines, " __attribute__((packed))" if packed else ""

    def _unnamed(self, type_id: int) -> str:
        """A member without a name as C can write it, or nothing: another one is left to the padding.

        A struct with a tag is written here without it, for C takes one with a tag for a mere declaration.
        """
        table, at = self.table, type_id
        while table.kinds[at] in _QUALIFIERS:
            at = table.target(at)
        if table.kinds[at] not in (_STRUCT, _UNION):
            return ""
        return f"{self.body(at, '')};" if table.words[table.places[at]] else f"{self.declare(type_id, '')};"

    def _union_lines(self, type_id: int) -> tuple[list[str], str]:
        table = self.table
        offsets, types, _ = table.columns(type_id, 3)
        places = self.places.members(type_id)
        lines = []
        for offset, each, (bit, width, _, _) in zip(offsets, types, places, strict=True):
            if bit:
                raise table.fault(type_id, "is a union with a member that does not lie at its beginning")
            if offset:
                bits = f": {width};" if width else ";"
                lines.append(f"{self.spend(self.declare(each, table.identifiers[offset]))}{bits}")
            elif unnamed := self._unnamed(each):
                lines.append(self.spend(unnamed))
        return lines, self._union_attribute(type_id, places)

    def _union_attribute(self, type_id: int, places: Sequence[Place]) -> str:
        """`packed` or `aligned(n)` where the union's size is not that of its largest member."""
        if self.places.is_packed(type_id):
            return " __attribute__((packed))"
        size, natural, _, _ = self.places.measure(type_id)
        largest = max((size for _, _, size, _ in places), default=0)
        alignment = natural
        while alignment < size and largest + -largest % alignment != size:
            alignment *= 2
        return f" __attribute__((aligned({alignment})))" if largest + -largest % natural != size else ""
