"""Programs from text in the disassembler's own syntax.

Rules: one instruction a line; `name:` alone on a line is a label, which jumps, calls and `function_address` may
name instead of a distance. `#` starts a comment, as do `;` and `//`. What objdump puts around an instruction (its
number before, `<main+0x20>` after) is left out. A line that cannot be read is a ValueError with its number.
"""

import re
from collections.abc import Callable
from functools import cache

from purebpf.insn.asm import Assembler, Register
from purebpf.insn.disasm import ATOMIC_SYMBOLS, FETCH_NAMES
from purebpf.units import ByteOrder

_NUMBER = r"[-+]?(?:0x[0-9a-fA-F]+|[0-9]+)"
_REGISTER = r"[rw][0-9]+"
_TARGET = r"[-+](?:0x[0-9a-fA-F]+|[0-9]+)|[A-Za-z_.$][\w.$]*"
_PLACE = r"(?P<base>r[0-9]+) (?P<sign>[-+]) (?P<offset>0x[0-9a-fA-F]+|[0-9]+)"
_KIND = r"(?P<kind>[us](?:8|16|32|64))"
_DEREFERENCE = rf"\*\({_KIND} \*\)\({_PLACE}\)"
_OPERAND = rf"(?P<operand>{_REGISTER}|{_NUMBER})"
_DST = rf"(?P<dst>{_REGISTER})"
_SRC = rf"(?P<src>{_REGISTER})"

# Some of the patterns below take quadratic time on a line made for it; no instruction is half as long as this.
_LONGEST_LINE = 400
_NOISE = re.compile(r"^\s*(?:[0-9]+:\s+)?|(?:\s+<[^<>]*>)?\s*(?:(?:[#;]|//).*)?$")
_LABEL = re.compile(r"([A-Za-z_.$][\w.$]*):")
_FETCHES = {name: ATOMIC_SYMBOLS[atomic] for atomic, name in FETCH_NAMES.items()}

_Match = re.Match[str]
_Emit = Callable[[Assembler, _Match], object]


def assemble_text(text: str, byteorder: ByteOrder = "little") -> bytes:
    """The bytes of a program in text; ValueError with the line's number where it cannot be read.

    The inverse of `disassemble(code, exact=True)`, and of `disassemble(code)` as far as that tells everything.
    """
    assembler = Assembler()
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"line {number} has {len(line)} characters, which no instruction has")
        try:
            _assemble_line(assembler, " ".join(_NOISE.sub("", line).split()))
        except ValueError as error:
            raise ValueError(f"line {number}, '{line.strip()[:80]}': {error}") from error
    return assembler.assemble(byteorder)


def _assemble_line(assembler: Assembler, line: str) -> None:
    if not line:
        return
    if label := _LABEL.fullmatch(line):
        assembler.label(label[1])
        return
    for pattern, emit in _forms():
        if match := pattern.fullmatch(line):
            emit(assembler, match)
            return
    raise ValueError("this is no instruction")


def _register(text: str) -> Register:
    return Register(int(text[1:]), half=text[0] == "w")


def _number(text: str) -> int:
    return int(text, 16) if "0x" in text else int(text)


def _operand(text: str) -> Register | int:
    return _register(text) if text[0] in "rw" else _number(text)


def _target(text: str) -> str | int:
    return _number(text) if text[0] in "+-" else text


def _where(match: _Match) -> tuple[Register, int]:
    offset = _number(match["offset"])
    return _register(match["base"]), -offset if match["sign"] == "-" else offset


def _emit_call(assembler: Assembler, match: _Match) -> None:
    if match["pc"]:
        assembler.call_function(_number(match["pc"]))
    elif match["kfunc"]:
        assembler.call_kfunc(_number(match["kfunc"]), _number(match["fd"] or "0"))
    elif match["helper"]:
        assembler.call(_number(match["helper"]))
    else:
        assembler.call_function(match["label"])


def _emit_exchange(assembler: Assembler, match: _Match) -> None:
    base, offset = _where(match)
    src = _register(match["src"])
    result = _register(match["dst"])
    compared = match["compared"]
    if match["width"] == "_64" if src.half else match["width"] != "_64":
        raise ValueError(f"{src} is not of the width that {match['name']}{match['width']} works on")
    kind = "u32" if src.half else "u64"
    expected = Register(0, src.half) if match["name"] == "cmpxchg" else src
    if result != expected or (match["name"] == "cmpxchg") != (compared is not None):
        raise ValueError(f"the old value can only go to {expected}")
    if compared is None:
        assembler.xchg(base, offset, src, kind)
    elif _register(compared) != expected:
        raise ValueError(f"memory can only be compared with {expected}")
    else:
        assembler.cmpxchg(base, offset, src, kind)


def _emit_fetch(assembler: Assembler, match: _Match) -> None:
    if match["dst"] != match["src"]:
        raise ValueError("the old value can only go to the register that is the operand")
    assembler.atomic(*_where(match), _FETCHES[match["name"]], _register(match["src"]), match["kind"], fetch=True)


def _emit_same(method: Callable[[Assembler, Register, _Match], object]) -> _Emit:
    """For forms that name one register twice."""

    def emit(assembler: Assembler, match: _Match) -> None:
        if match["dst"] != match["src"]:
            raise ValueError("both registers must be the same")
        method(assembler, _register(match["dst"]), match)

    return emit


def _emit_acquire(assembler: Assembler, match: _Match) -> None:
    dst = _register(match["dst"])
    _check_half(dst, match["kind"])
    assembler.load_acquire(dst, *_where(match), match["kind"])


def _emit_release(assembler: Assembler, match: _Match) -> None:
    src = _register(match["src"])
    _check_half(src, match["kind"])
    assembler.store_release(*_where(match), src, match["kind"])


def _check_half(register: Register, kind: str) -> None:
    if register.half != (kind != "u64"):
        raise ValueError(f"{register} does not fit a {kind}")


def _emit_packet(assembler: Assembler, match: _Match) -> None:
    assembler.load_packet(_operand(match["operand"]), match["kind"])


def _emit_sign_extension(assembler: Assembler, match: _Match) -> None:
    assembler.mov(_register(match["dst"]), _register(match["src"]), sign_extend=int(match["bits"]))


_ASSEMBLY: tuple[tuple[str, _Emit], ...] = (
    (rf"{_DST} = {_DEREFERENCE}", lambda a, m: a.load(_register(m["dst"]), *_where(m), m["kind"])),
    (rf"{_DEREFERENCE} = {_OPERAND}", lambda a, m: a.store(*_where(m), _operand(m["operand"]), m["kind"])),
    (rf"{_DST} = {_OPERAND}", lambda a, m: a.mov(_register(m["dst"]), _operand(m["operand"]))),
    (
        rf"if {_DST} (?P<symbol>\S+) {_OPERAND} goto (?P<target>{_TARGET})",
        lambda a, m: a.jump_if(_register(m["dst"]), m["symbol"], _operand(m["operand"]), _target(m["target"])),
    ),
    (
        rf"{_DST} (?P<symbol>\S+=) {_OPERAND}",
        lambda a, m: a.alu(_register(m["dst"]), m["symbol"], _operand(m["operand"])),
    ),
    (
        rf"call (?:pc(?P<pc>{_NUMBER})|kfunc (?P<kfunc>{_NUMBER})(?: fd (?P<fd>{_NUMBER}))?|(?P<helper>{_NUMBER})"
        rf"|(?P<label>{_TARGET}))",
        _emit_call,
    ),
    (rf"{_DST} = (?P<value>{_NUMBER}) ll", lambda a, m: a.ldimm64(_register(m["dst"]), _number(m["value"]))),
    (
        rf"ld_pseudo {_DST}, (?P<source>{_NUMBER}), (?P<value>{_NUMBER})",
        lambda a, m: a.ldimm64(_register(m["dst"]), _number(m["value"]), _number(m["source"])),
    ),
    (rf"goto (?P<target>{_TARGET})", lambda a, m: a.jump(_target(m["target"]))),
    (rf"gotol (?P<target>{_TARGET})", lambda a, m: a.jump(_target(m["target"]), long=True)),
    (rf"may_goto (?P<target>{_TARGET})", lambda a, m: a.may_goto(_target(m["target"]))),
    (rf"gotox {_DST}", lambda a, m: a.jump_register(_register(m["dst"]))),
    (rf"callx {_DST}", lambda a, m: a.call_register(_register(m["dst"]))),
    ("exit", lambda a, m: a.exit()),
    (
        rf"lock {_DEREFERENCE} (?P<symbol>\S+) {_SRC}",
        lambda a, m: a.atomic(*_where(m), m["symbol"], _register(m["src"]), m["kind"]),
    ),
    (rf"{_DST} = atomic_fetch_(?P<name>add|or|and|xor)\(\({_KIND} \*\)\({_PLACE}\), {_SRC}\)", _emit_fetch),
    (
        rf"{_DST} = (?P<name>cmpxchg|xchg)(?P<width>_64|32_32)\({_PLACE}, (?:(?P<compared>{_REGISTER}), )?{_SRC}\)",
        _emit_exchange,
    ),
    (rf"{_DST} = load_acquire\(\({_KIND} \*\)\({_PLACE}\)\)", _emit_acquire),
    (rf"store_release\(\({_KIND} \*\)\({_PLACE}\), {_SRC}\)", _emit_release),
    (
        rf"{_DST} = addr_space_cast\({_SRC}, (?P<to>{_NUMBER}), (?P<source>{_NUMBER})\)",
        lambda a, m: a.addr_space_cast(
            _register(m["dst"]), _register(m["src"]), _number(m["to"]), _number(m["source"])
        ),
    ),
    (rf"{_DST} = \(s(?P<bits>8|16|32)\){_SRC}", _emit_sign_extension),
    (
        rf"{_DST} = (?P<swap>le|be|bswap)(?P<bits>16|32|64) {_SRC}",
        _emit_same(lambda a, dst, m: a.swap(dst, m["swap"], int(m["bits"]))),
    ),
    (rf"{_DST} = -{_SRC}", _emit_same(lambda a, dst, m: a.neg(dst))),
    (rf"r0 = \*\({_KIND} \*\)skb\[{_OPERAND}\]", _emit_packet),
    (
        r"\.byte (?P<bytes>0x[0-9a-fA-F]{1,2}(?:, 0x[0-9a-fA-F]{1,2})*)",
        lambda a, m: a.raw(bytes(int(byte, 16) for byte in m["bytes"].split(", "))),
    ),
)


@cache
def _forms() -> tuple[tuple[re.Pattern[str], _Emit], ...]:
    """The patterns, compiled with the first use: that takes 20 ms, which an import shall not cost."""
    return tuple((re.compile(pattern), emit) for pattern, emit in _ASSEMBLY)
