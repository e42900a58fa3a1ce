"""The maps that jump tables become: made, filled and frozen before anything else of the load, as libbpf does it.

Rules: a map a program and table, for a program places its functions in its own way; an entry is a
`struct bpf_insn_array_value` of which user space gives the instruction's index alone, the kernel fills in where it put
it. The kernel wants the map frozen.
"""

from __future__ import annotations

from struct import pack

from purebpf.errors import NotSupported
from purebpf.plan.steps import CreateMap, FreezeMap, SetValue, Step
from purebpf.plan.target import Feature, Target
from purebpf.uapi import MapType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from purebpf.relocate.model import LinkedProgram

_VALUE: Final = "IIII"
_VALUE_SIZE: Final = 16
_KERNEL_NAME: Final = ".jumptables"


def table_steps(programs: Iterable[LinkedProgram], target: Target, named: bool) -> Iterator[Step]:
    """The steps that make the jump tables of `programs`."""
    order = "<" if target.byteorder == "little" else ">"
    for linked in programs:
        if linked.tables and not target.supports(Feature.INSN_ARRAY):
            raise NotSupported(
                Feature.INSN_ARRAY.text,
                since=Feature.INSN_ARRAY.since,
                evidence=(f"program '{linked.name}' jumps by {len(linked.tables)} of them",),
                remedy="compile without them: clang's -mcpu=v3, or -fno-jump-tables",
            )
        for table in linked.tables:
            name = _KERNEL_NAME if named else ""
            yield CreateMap(table.map, name, MapType.INSN_ARRAY, 4, _VALUE_SIZE, len(table.targets))
            for index, target_insn in enumerate(table.targets):
                yield SetValue(table.map, pack(order + "I", index), pack(order + _VALUE, target_insn, 0, 0, 0))
            yield FreezeMap(table.map)
