"""Instructions: decode, encode, assemble, disassemble."""

from purebpf.insn.disasm import disassemble
from purebpf.insn.insn import Insn, decode, encode

__all__ = ["Insn", "decode", "disassemble", "encode"]
