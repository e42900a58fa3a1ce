"""Instructions that can be encoded, whether or not a verifier would take them."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from purebpf.insn import Insn, encode
from purebpf.insn.opcodes import KNOWN_OPCODES, LDIMM64
from purebpf.units import ByteOrder

_OPCODES = tuple(sorted(KNOWN_OPCODES))
_REGISTERS = st.integers(0, 15)
_OFFSETS = st.sampled_from((0, 1, -1)) | st.integers(-(2**15), 2**15 - 1)
_IMMEDIATES = st.sampled_from((0, 1, -1)) | st.integers(-(2**31), 2**31 - 1)
_WIDE_IMMEDIATES = st.integers(0, 2**64 - 1)


@st.composite
def instructions(draw: DrawFn) -> Insn:
    """One instruction of a known opcode, its other fields anything that fits."""
    opcode = draw(st.sampled_from(_OPCODES))
    return Insn(
        opcode,
        draw(_REGISTERS),
        draw(_REGISTERS),
        draw(_OFFSETS),
        draw(_WIDE_IMMEDIATES if opcode == LDIMM64 else _IMMEDIATES),
    )


def code(byteorder: ByteOrder = "little", *, max_size: int = 16) -> SearchStrategy[bytes]:
    """Encoded programs of up to `max_size` instructions."""
    return st.lists(instructions(), max_size=max_size).map(lambda insns: encode(insns, byteorder))
