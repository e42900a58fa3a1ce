"""Where the variables of an arena lie, and the step that puts them there.

Rules, as libbpf has them: the whole arena is mapped into the process before any program is loaded, because the
verifier wants to know its address there; `map_extra` is that address where the declaration chose one. The variables
stand in the last pages of the arena (libbpf 1.7), so that its address 0 is nobody's, and in the first ones on kernels
that refuse offsets beyond 512 MiB in an instruction.
"""

from __future__ import annotations

from purebpf.errors import NotSupported, PlanError
from purebpf.frozen import replace
from purebpf.plan.steps import MapMemory
from purebpf.plan.target import Feature, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from purebpf.relocate.model import LinkedProgram, MapSlot
    from purebpf.spec.model import MapSpec
    from purebpf.units import ByteOrder

_INSN_SIZE: Final = 8


def arena_memory(arena: MapSpec, target: Target) -> MapMemory:
    """The step that maps `arena` into the process and fills in its variables."""
    if not target.supports(Feature.ARENA):
        raise NotSupported(Feature.ARENA.text, since=Feature.ARENA.since, evidence=(f"map '{arena.name}' is one",))
    size = arena.max_entries * target.page_size
    if arena.contents is None:
        return MapMemory(arena.name, size, arena.map_extra)
    taken = -(-len(arena.contents) // target.page_size) * target.page_size
    if taken > size:
        raise PlanError(
            f"arena '{arena.name}' is too small for its variables: they take {taken // target.page_size} pages of "
            f"{target.page_size} bytes, and it has {arena.max_entries}",
            remedy=f"make it larger: spec.with_map('{arena.name}', max_entries={taken // target.page_size})",
        )
    offset = size - taken if target.supports(Feature.LDIMM64_OFFSET) else 0
    return MapMemory(arena.name, size, arena.map_extra, offset, arena.contents)


def with_variables_placed(linked: LinkedProgram, memory: MapMemory, byteorder: ByteOrder) -> LinkedProgram:
    """The program with its addresses of the arena's variables counted from the start of the arena."""
    moved = [slot for slot in linked.slots if slot.map == memory.map and slot.offset is not None]
    if not moved or not memory.offset:
        return linked
    code = bytearray(linked.code)
    slots = dict.fromkeys(linked.slots)
    placed: dict[MapSlot, MapSlot] = {}
    for slot in moved:
        assert slot.offset is not None
        offset = slot.offset + memory.offset & 0xFFFF_FFFF
        at = (slot.insn + 1) * _INSN_SIZE + 4
        code[at : at + 4] = offset.to_bytes(4, byteorder)
        placed[slot] = replace(slot, offset=offset)
    return replace(linked, code=bytes(code), slots=tuple([placed.get(slot, slot) for slot in slots]))
