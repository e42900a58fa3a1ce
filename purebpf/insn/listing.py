"""Code as text for people: numbered, with the names of what the instructions refer to.

Rules: the text of an instruction is the disassembler's; only what a number stands for is put in the number's place
(`call bpf_map_lookup_elem#1`, `r1 = map events ll`). All names come from the caller, who alone knows the file and the
kernel; an instruction nobody has a name for keeps its number.
"""

from collections.abc import Mapping

from purebpf.frozen import Frozen, field
from purebpf.insn import opcodes as op
from purebpf.insn.disasm import hexed, iter_lines
from purebpf.insn.patch import imm_at, source_at
from purebpf.units import ByteOrder


class Names(Frozen):
    """What is known of some code. All but `helpers` (by helper number) are keyed by instruction index.

    `functions` are the starts of functions, `references` what an instruction refers to ("map events", "kfunc
    bpf_task_acquire", "byte_off task_struct.pid"), `source` the C line that starts there.
    """

    helpers: Mapping[int, str] = field(default_factory=dict)
    functions: Mapping[int, str] = field(default_factory=dict)
    references: Mapping[int, str] = field(default_factory=dict)
    source: Mapping[int, str] = field(default_factory=dict)


def annotate(
    code: bytes | bytearray | memoryview, byteorder: ByteOrder = "little", names: Names | None = None
) -> list[str]:
    """The lines of a listing of `code`: functions and C lines as headings, each instruction with its index.

    A jump shows the index it goes to: `if r1 == 0x0 goto +0x3 <12>`.
    """
    names = names or Names()
    lines: list[str] = []
    for index, text, target in iter_lines(code, byteorder, exact=True):
        if index in names.functions:
            lines.append(f"{names.functions[index]}:")
        if index in names.source:
            lines.append(f"; {names.source[index]}")
        if target is not None:
            text = f"{text} <{target}>"
        elif text.startswith("call "):
            text = _named_call(code, byteorder, index, text, names)
        lines.append(f"{index:>6}: {_referring(text, names.references.get(index))}".replace("\t", " "))
    return lines


def _named_call(code: bytes | bytearray | memoryview, byteorder: ByteOrder, index: int, text: str, names: Names) -> str:
    source, imm = source_at(code, index, byteorder), imm_at(code, index, byteorder)
    if source == op.CallSource.HELPER and imm in names.helpers:
        return f"call {names.helpers[imm]}#{imm}"
    if source == op.BPF_PSEUDO_CALL:
        called = index + 1 + imm
        return f"call {names.functions[called]} <{called}>" if called in names.functions else f"{text} <{called}>"
    return text


def _referring(text: str, reference: str | None) -> str:
    if reference is None:
        return text
    if text.startswith("call "):
        return f"call {reference}"
    if text.startswith("ld_pseudo"):
        register = text.partition("\t")[2].partition(",")[0]
        return f"{register} = {reference} ll"
    if text.endswith(" ll"):
        register, _, value = text.removesuffix(" ll").partition(" = ")
        addend = int(value, 16)
        return f"{register} = {reference}{'' if not addend else f' + {hexed(addend)}'} ll"
    return f"{text}  ; {reference}"
