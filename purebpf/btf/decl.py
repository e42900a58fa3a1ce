"""Types as C: `type_name` in one line, `declare` in full, with the layout that the BTF says.

Rules: no type is printed twice in one declaration except where C needs it; named types are referred to, anonymous
ones printed in place. Where members do not lie as a compiler would put them, `packed`, unnamed bitfields and
`aligned` say so. Work is bounded by a budget of steps and of nesting, since a damaged BTF can describe a type
that contains itself: then a BtfError.
"""

from __future__ import annotations

from purebpf.btf.layout import align_of, bit_place, is_packed, size_of
from purebpf.btf.padding import padding
from purebpf.btf.types import (
    Array,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Forward,
    Function,
    FunctionProto,
    Kind,
    Linkage,
    Member,
    Pointer,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Variable,
    Volatile,
)
from purebpf.errors import BtfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.btf.reader import Btf

MAX_STEPS = 100_000
MAX_NESTING = 40
"""Of anonymous types and function parameters in one another; the kernel's deepest has 7."""

_LINKAGE = {Linkage.STATIC: "static ", Linkage.EXTERN: "extern "}


def type_name(btf: Btf, type_id: int) -> str:
    """The type as C writes it in a cast: 'struct task_struct *', 'const char [16]', 'int (*)(void *)'.

    An anonymous struct, union or enum is printed as 'struct {...}'.
    """
    printer = _Printer(btf, type_id, bodies=False)
    match btf[type_id]:
        case Function(name=name, type=target) | Variable(name=name, type=target):
            return printer.declarator(target, name)
        case DataSection(name=name):
            return f"section {name}"
        case DeclTag(name=name, type=target):
            # What a tag is on has a name in one line too, unless it is a tag again, which nobody writes.
            tagged = "" if isinstance(btf[target], DeclTag) else f"{type_name(btf, target)} "
            return f'{tagged}__attribute__((btf_decl_tag("{name}")))'
    return printer.declarator(type_id, "")


def declare(btf: Btf, type_id: int) -> str:
    """The definition of a type as C, ending in a semicolon; of an integer or float, its name in a comment."""
    return _declared(_Printer(btf, type_id, bodies=True), type_id)


def _declared(printer: _Printer, type_id: int) -> str:
    btf = printer.btf
    match btf[type_id]:
        case Struct() | Union() | Enum():
            return f"{printer.body(type_id, 0)};"
        case Forward(name=name, is_union=is_union):
            return f"{'union' if is_union else 'struct'} {name};"
        case Typedef(name=name, type=target):
            return f"typedef {printer.declarator(target, name)};"
        case Function(name=name, type=target, linkage=linkage) | Variable(name=name, type=target, linkage=linkage):
            return f"{_linkage(linkage)}{printer.declarator(target, name)};"
        case DataSection(name=name, size=size, variables=variables):
            lines = [f"/* section {name}, {size} bytes */"]
            ids = [variable.type for variable in variables if btf.kind(variable.type) in (Kind.VAR, Kind.FUNC)]
            return "\n".join([*lines, *(_declared(printer, each) for each in ids)])
    if btf.kind(type_id) in (Kind.INT, Kind.FLOAT):
        return f"/* {btf.name_of(type_id)}: {size_of(btf, type_id)} bytes */"
    return f"{type_name(btf, type_id)};"


class _Printer:
    """Prints one declaration, counting its steps."""

    def __init__(self, btf: Btf, type_id: int, *, bodies: bool) -> None:
        self.btf = btf
        self.subject = type_id
        self.bodies = bodies
        self.steps = 0
        self.open: set[int] = set()
        self.alignments: dict[int, int] = {}

    def step(self, nesting: int = 0) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS or nesting > MAX_NESTING:
            what = "is too long" if self.steps > MAX_STEPS else "is nested too deeply"
            raise BtfError(f"the declaration of type {self.subject} {what}", file=self.btf.name, section=".BTF")

    def enter(self, type_id: int, nesting: int) -> None:
        """Begin with what is printed in place; a type that C can write does not meet itself there."""
        self.step(nesting)
        if type_id in self.open:
            reason = f"the declaration of type {self.subject} contains type {type_id} within itself"
            raise BtfError(reason, file=self.btf.name, section=".BTF")
        self.open.add(type_id)

    def declarator(self, type_id: int, name: str, nesting: int = 0) -> str:
        """`name` declared as of that type, read from the inside out as C has it."""
        left = [name] if name else []
        right: list[str] = []
        qualifiers: list[str] = []
        at, after_pointer = type_id, False
        while True:
            self.step(nesting)
            match self.btf[at]:
                case Const(type=target):
                    qualifiers.append("const")
                case Volatile(type=target):
                    qualifiers.append("volatile")
                case Restrict(type=target):
                    qualifiers.append("restrict")
                case TypeTag(type=target, name=tag, kind_flag=attribute):
                    text = tag if attribute else f'btf_type_tag("{tag}")'
                    qualifiers.append(f"__attribute__(({text}))")
                case Pointer(target=target):
                    space = " " if qualifiers and left else ""
                    left.append(f"*{' ' if qualifiers else ''}{' '.join(qualifiers)}{space}")
                    qualifiers, after_pointer = [], True
                case Array(element=target, count=count):
                    self.parenthesize(left, right, after_pointer)
                    right.append(f"[{count}]")
                    after_pointer = False
                case FunctionProto(return_type=target):
                    self.parenthesize(left, right, after_pointer)
                    right.append(self.parameters(at, nesting))
                    qualifiers, after_pointer = [], False
                case _:
                    break
            at = target
        inner = "".join(reversed(left)) + "".join(right)
        base = " ".join([*qualifiers, self.base(at, nesting)])
        return f"{base} {inner}" if inner else base

    @staticmethod
    def parenthesize(left: list[str], right: list[str], after_pointer: bool) -> None:
        if after_pointer:
            left.append("(")
            right.append(")")

    def parameters(self, type_id: int, nesting: int) -> str:
        proto = self.btf[type_id]
        assert isinstance(proto, FunctionProto)
        texts = []
        self.enter(type_id, nesting)
        for index, parameter in enumerate(proto.parameters):
            variadic = not parameter.type and index == len(proto.parameters) - 1
            texts.append("..." if variadic else self.declarator(parameter.type, parameter.name, nesting + 1))
        self.open.discard(type_id)
        return f"({', '.join(texts) or 'void'})"

    def base(self, type_id: int, nesting: int) -> str:
        """What stands at the left end of a declaration."""
        match self.btf[type_id]:
            case Struct(name="") | Union(name="") | Enum(name="") if self.bodies:
                return self.body(type_id, nesting)
            case Struct(name=name):
                return f"struct {name or '{...}'}"
            case Union(name=name):
                return f"union {name or '{...}'}"
            case Enum(name=name):
                return f"enum {name or '{...}'}"
            case Forward(name=name, is_union=is_union):
                return f"{'union' if is_union else 'struct'} {name}"
        if not type_id:
            return "void"
        name = self.btf.name_of(type_id)
        return name or f"/* type {type_id} */"

    def body(self, type_id: int, nesting: int) -> str:
        """A struct, union or enum with its members, without the last semicolon."""
        kind = self.btf[type_id]
        indent = "\t" * nesting
        if isinstance(kind, Enum):
            return self.enum_body(kind, indent)
        self.enter(type_id, nesting)
        match kind:
            case Struct():
                lines, packed = self.struct_members(type_id, kind, nesting)
                head, tail = "struct", " __attribute__((packed))" if packed else ""
            case Union():
                lines = [f"{self.member(member, nesting)};" for member in kind.members]
                head, tail = "union", self.union_attributes(type_id, kind)
            case _:
                raise TypeError(f"type {type_id} has no body")
        self.open.discard(type_id)
        opening = f"{head} {kind.name} {{" if kind.name else f"{head} {{"
        if not lines:
            return f"{opening}}}{tail}"
        inner = "\n".join(f"{indent}\t{line}" for line in lines)
        return f"{opening}\n{inner}\n{indent}}}{tail}"

    def enum_body(self, kind: Enum, indent: str) -> str:
        opening = f"enum {kind.name} {{" if kind.name else "enum {"
        suffix = ("LL" if kind.signed else "ULL") if kind.wide else ""
        self.steps += len(kind.enumerators)
        self.step()
        lines = "".join(f"\n{indent}\t{each.name} = {each.value}{suffix}," for each in kind.enumerators)
        modes = {1: "byte", 2: "HI", 8: "DI"}
        needs_mode = kind.size in modes and not (kind.size == 8 and kind.wide)
        tail = f" __attribute__((mode({modes[kind.size]})))" if needs_mode else ""
        return f"{opening}{lines}\n{indent}}}{tail}"

    def member(self, member: Member, nesting: int) -> str:
        declaration = self.declarator(member.type, member.name, nesting + 1)
        _, width = bit_place(self.btf, member)
        return f"{declaration}: {width}" if width else declaration

    def struct_members(self, type_id: int, kind: Struct, nesting: int) -> tuple[list[str], bool]:
        """The members with the padding that puts them where they are, and whether the struct is packed."""
        lines: list[str] = []
        packed = is_packed(self.btf, type_id, self.alignments)
        position, alignment = 0, 1
        for member in kind.members:
            self.step(nesting)
            begin, width = bit_place(self.btf, member)
            needed = 1 if packed else align_of(self.btf, member.type, self.alignments)
            alignment = max(alignment, needed)
            unit = 8 * size_of(self.btf, member.type)
            natural = position + -position % (8 * needed)
            if width:
                fits = packed or position // unit == (position + width - 1) // unit
                natural = position if fits else position + -position % unit
            if natural != begin:
                lines += padding(position, begin)
            lines.append(f"{self.member(member, nesting)};")
            position = begin + (width or unit)
        if position + -position % (8 * alignment) != 8 * kind.size:
            lines += padding(position, 8 * kind.size)
        return lines, packed

    def union_attributes(self, type_id: int, kind: Union) -> str:
        """`packed` or `aligned(n)` where the union's size is not that of its largest member."""
        if is_packed(self.btf, type_id, self.alignments):
            return " __attribute__((packed))"
        largest = max((size_of(self.btf, member.type) for member in kind.members), default=0)
        alignment = natural = align_of(self.btf, type_id, self.alignments)
        while alignment < kind.size and largest + -largest % alignment != kind.size:
            alignment *= 2
        wrong = largest + -largest % natural != kind.size
        return f" __attribute__((aligned({alignment})))" if wrong else ""


def _linkage(linkage: int) -> str:
    return _LINKAGE.get(Linkage(linkage), "") if linkage in Linkage._value2member_map_ else ""
