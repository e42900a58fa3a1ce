"""Damaged type information: ignored with a warning where nothing needs it, else an error of the file.

When libbpf 1.8 goes on was found by 780 damaged objects, played.
"""

from collections.abc import Callable

import pytest

from purebpf.btf import (
    BtfExtWriter,
    BtfWriter,
    CoreKind,
    DataSection,
    Function,
    FunctionProto,
    Int,
    Kind,
    Linkage,
    SectionVariable,
    Variable,
)
from purebpf.errors import BtfError
from purebpf.plan.stages import open_object
from tests.writers import ObjectWriter

EXIT = b"\x95" + bytes(7)

Need = Callable[[ObjectWriter], object]


def a_file() -> ObjectWriter:
    return ObjectWriter().function("entry", EXIT, section="xdp")


def types(*, core: bool = False) -> tuple[bytes, bytes]:
    """A good .BTF and a good .BTF.ext."""
    btf = BtfWriter()
    integer = btf.add(Int("int", 4, 32))
    function = btf.add(Function("entry", btf.add(FunctionProto(integer, ())), Linkage.GLOBAL))
    ext = BtfExtWriter(btf)
    ext.func("xdp", 0, function)
    if core:
        ext.core("xdp", 0, integer, "0", CoreKind.TYPE_SIZE)
    records = ext.build()
    return btf.build(), records


def cut(section: bytes) -> bytes:
    return section[:-4]


NEEDS: dict[str, Need] = {
    "maps": lambda file: file.section(".maps", bytes(8)),
    "struct_ops": lambda file: file.section(".struct_ops.link", bytes(8)),
    "extern": lambda file: file.extern("CONFIG_HZ"),
}


@pytest.mark.parametrize("btf", [bytes(24), b"\0", cut(types()[0])], ids=["magic", "a byte", "cut"])
def test_damaged_types_that_nothing_needs_are_ignored_with_a_warning(btf: bytes) -> None:
    file = a_file().variable("counter", bytes(4)).section(".BTF", btf)
    with pytest.warns(RuntimeWarning, match=r"'<bytes>', section '\.BTF'.*; section '\.BTF' is ignored"):
        spec = open_object(file.build())
    assert spec.btf is None
    assert (list(spec.programs), spec.maps[".data"].contents) == (["entry"], bytes(4))


def test_damage_that_shows_only_when_a_type_is_looked_at_is_ignored_as_well() -> None:
    btf = BtfWriter()
    variable = btf.add(Variable("counter", btf.add(Int("int", 4, 32)), Linkage.GLOBAL))
    btf.add(DataSection(".data", 4, (SectionVariable(variable, 0, 4),)))
    data = bytearray(btf.build())
    at = data.index((Kind.VAR << 24).to_bytes(4, "little")) - 4
    data[at : at + 4] = (1 << 20).to_bytes(4, "little")
    file = a_file().variable("counter", bytes(4)).section(".BTF", bytes(data))
    with pytest.warns(RuntimeWarning, match="lies outside the string section.*is ignored"):
        assert open_object(file.build()).btf is None


@pytest.mark.parametrize("need", NEEDS)
def test_damaged_types_that_something_needs_are_an_error_of_the_file(need: str) -> None:
    file = a_file().section(".BTF", cut(types()[0]))
    NEEDS[need](file)
    with pytest.raises(BtfError, match="ends after the data"):
        open_object(file.build())


def test_without_its_types_an_object_with_co_re_is_not_what_its_author_meant() -> None:
    btf, ext = types(core=True)
    with pytest.raises(BtfError, match="ends after the data"):
        open_object(a_file().section(".BTF", cut(btf)).section(".BTF.ext", ext).build())
    with pytest.raises(BtfError, match="CO-RE records"):
        open_object(a_file().section(".BTF", btf).section(".BTF.ext", cut(ext)).build())


def test_damaged_records_cost_the_records_alone() -> None:
    btf, ext = types()
    file = a_file().section(".BTF", btf).section(".BTF.ext", cut(ext))
    with pytest.warns(RuntimeWarning, match=r"section '\.BTF\.ext' is ignored"):
        spec = open_object(file.build())
    assert spec.btf is not None
    assert spec.functions["entry"].func_info == b""


def test_externs_need_types_but_no_records() -> None:
    btf = BtfWriter()
    variable = btf.add(Variable("jiffies", btf.add(Int("int", 4, 32)), Linkage.EXTERN))
    btf.add(DataSection(".ksyms", 4, (SectionVariable(variable, 0, 4),)))
    file = a_file().extern("jiffies").section(".BTF", btf.build()).section(".BTF.ext", b"no header")
    with pytest.warns(RuntimeWarning, match=r"section '\.BTF\.ext' is ignored"):
        spec = open_object(file.build())
    assert list(spec.externs) == ["jiffies"]


@pytest.mark.parametrize("need", ["maps", "struct_ops"])
def test_damaged_records_beside_maps_and_struct_ops_are_an_error_as_in_libbpf(need: str) -> None:
    btf, ext = types()
    file = a_file().section(".BTF", btf).section(".BTF.ext", cut(ext))
    NEEDS[need](file)
    with pytest.raises(BtfError):
        open_object(file.build())
