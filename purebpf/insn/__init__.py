"""Instructions: decode, encode, assemble, disassemble.

Names are loaded with their first use, because a loader needs only `patch` and `words` of this package.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.insn.asm import Assembler, Register
    from purebpf.insn.asm_text import assemble_text
    from purebpf.insn.disasm import disassemble
    from purebpf.insn.insn import Insn, decode, encode
    from purebpf.insn.listing import Names, annotate

__all__ = [
    "Assembler",
    "Insn",
    "Names",
    "Register",
    "annotate",
    "assemble_text",
    "decode",
    "disassemble",
    "encode",
]

_HOMES = {
    "Assembler": "asm",
    "Insn": "insn",
    "Names": "listing",
    "Register": "asm",
    "annotate": "listing",
    "assemble_text": "asm_text",
    "decode": "insn",
    "disassemble": "disasm",
    "encode": "insn",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(__import__(f"{__name__}.{home}", fromlist=(name,)), name)
    globals()[name] = value
    return value
