"""The same types under other ids."""

from __future__ import annotations

from array import array

from purebpf.btf.dedup import Deduplicated
from purebpf.btf.writer import BtfWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from purebpf.btf.reader import Btf


def permute(btf: Btf, order: Sequence[int]) -> Deduplicated:
    """`btf` with its own types in that order; ValueError unless `order` names each own id once.

    The ids of a base stay. A BTF in the order of its names lets a kernel of Linux 7.0 and newer search it by halves.
    """
    if sorted(order) != list(btf.ids()):
        raise ValueError(f"an order of types names each id from {btf.first_id} to {btf.end_id - 1} once")
    ids = array("I", range(btf.end_id))
    for new, old in enumerate(order, btf.first_id):
        ids[old] = new
    writer = BtfWriter(byteorder=btf.byteorder, base=btf.base)
    writer.add_renumbered(btf, order, ids)
    return Deduplicated(writer.build(), ids)
