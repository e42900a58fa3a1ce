"""What a program says to a kernel that is older or newer than the file's author thought of.

Rules, libbpf's: a feature is asked for only where a program would use it; the meaning stays, only the words change.
`sanitize` does the same for types.
"""

from __future__ import annotations

from purebpf.insn.patch import iter_calls, patch_imm
from purebpf.insn.words import SLOT
from purebpf.plan.target import Feature, Target
from purebpf.spec.sections import AttachKind
from purebpf.uapi import AttachType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from purebpf.spec.model import ProgramSpec
    from purebpf.units import ByteOrder

_PROBE_READ: Final = 4
_PROBE_READ_STR: Final = 45
# bpf_probe_read_user, _kernel, _user_str and _kernel_str of 5.5; before, one helper read both kinds of memory.
_OLDER_HELPER: Final = {112: _PROBE_READ, 113: _PROBE_READ, 114: _PROBE_READ_STR, 115: _PROBE_READ_STR}
_HELPER_CALL: Final = 0

# On Python 3.11 a member looked up on its enum class costs 0.5 us.
_EXP_ATTACH_TYPE: Final = Feature.EXP_ATTACH_TYPE
_PROBE_READ_KERNEL: Final = Feature.PROBE_READ_KERNEL
_UPROBE_MULTI_LINK: Final = Feature.UPROBE_MULTI_LINK
_USDT: Final = AttachKind.USDT


def attach_type_for(program: ProgramSpec, target: Target) -> AttachType | None:
    """The expected attach type to load `program` with.

    Kernels before 4.17 know none, which a section of old says nothing by; a USDT probe has many places in a binary,
    which one link can take where the kernel has such links.
    """
    definition, attach_type = program.definition, program.expected_attach_type
    if definition is None:
        return attach_type
    if definition.kind is _USDT and attach_type is None:
        return AttachType.TRACE_UPROBE_MULTI if target.supports(_UPROBE_MULTI_LINK) else None
    if attach_type is not None and definition.optional_attach_type and not target.supports(_EXP_ATTACH_TYPE):
        return None
    return attach_type


def code_for(code: bytes, byteorder: ByteOrder, target: Target) -> bytes:
    """The code with helpers that the kernel has; `code` itself where nothing is to change."""
    if b"\x85" not in code[::SLOT]:
        return code
    newer = [
        (insn, _OLDER_HELPER[helper])
        for insn, source, helper in iter_calls(code, byteorder)
        if source == _HELPER_CALL and helper in _OLDER_HELPER
    ]
    if not newer or target.supports(_PROBE_READ_KERNEL):
        return code
    changed = bytearray(code)
    for insn, helper in newer:
        patch_imm(changed, insn, helper, byteorder)
    return bytes(changed)
