"""Maps that a load leaves out (`autocreate=False`), and the instructions that refer to them.

Rules, libbpf's: a program may refer to a map that is not made, as long as it does not reach that instruction, which
the verifier finds out. So the instruction becomes a call of a function that no kernel has, of whose number the last
digits are the map's; both halves of an ldimm64 are replaced, so that no jump lands in a half of one. The verifier's
complaint is turned back into the map (`purebpf.live.verifier`).
"""

from __future__ import annotations

from struct import pack

from purebpf.frozen import replace
from purebpf.relocate.model import Failure, LinkedProgram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Final

    from purebpf.units import ByteOrder

_INSN_SIZE: Final = 8
_CALL: Final = 0x85
_MAP_POISON: Final = 2_001_000_000


def without_maps(
    linked: LinkedProgram, made: Collection[str], order: Mapping[str, object], byteorder: ByteOrder
) -> LinkedProgram:
    """The program with its references to maps that are not in `made` poisoned; `order` are the object's maps."""
    # What is no map of the object (a jump table) is made for the program that needs it.
    missing = [slot for slot in linked.slots if slot.map not in made and slot.map in order]
    if not missing:
        return linked
    numbers = {name: number for number, name in enumerate(order)}
    code = bytearray(linked.code)
    for slot in missing:
        call = pack("<BBhI" if byteorder == "little" else ">BBhI", _CALL, 0, 0, _MAP_POISON + numbers[slot.map])
        at = slot.insn * _INSN_SIZE
        code[at : at + 2 * _INSN_SIZE] = call * 2
    names = dict.fromkeys(slot.map for slot in missing)
    return replace(
        linked,
        code=bytes(code),
        slots=tuple([slot for slot in linked.slots if slot not in missing]),
        left_out=tuple([(numbers[name], name) for name in names]),
    )


def why_left_out(left_out: tuple[tuple[int, str], ...], number: int) -> Failure | None:
    """Why an instruction that uses map number `number` is none; None if that map is not left out."""
    name = dict(left_out).get(number)
    if name is None:
        return None
    remedy = f"have it made, spec.with_map('{name}', autocreate=True), or keep the program from using it"
    return Failure(f"it uses map '{name}', which is left out of the load", (), remedy)
