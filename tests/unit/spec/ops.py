"""Objects with a struct_ops, written for the tests of the spec and of the plan."""

from purebpf.btf import FunctionProto, Member, Pointer, Struct
from purebpf.units import VOID, BitOffset, TypeId
from tests.writers.typed import TypedObjectWriter

EXIT = b"\x95" + bytes(7)


class OpsWriter(TypedObjectWriter):
    """A `TypedObjectWriter` that knows structs of functions."""

    def callback(self) -> TypeId:
        """A pointer to a function."""
        return self.types.add(Pointer(self.types.add(FunctionProto(VOID, ()))))

    def struct(self, name: str, *members: tuple[str, TypeId, int], size: int | None = None) -> TypeId:
        """A struct of (name, type, byte offset); its size is that of 8 bytes behind the last."""
        fields = tuple(Member(field, type_id, BitOffset(8 * offset)) for field, type_id, offset in members)
        end = max((offset for _, _, offset in members), default=-8) + 8
        return self.types.add(Struct(name, size if size is not None else end, fields))


def ops_object(section: str = ".struct_ops", struct: str = "ops") -> OpsWriter:
    """Programs `first` and `second`; map `table` with `first` in `run`, null in `stop` and 7 in `number`."""
    file = OpsWriter()
    for name in ("first", "second"):
        file.function(name, EXIT, section=f"struct_ops/{name}")
    callback = file.callback()
    type_id = file.struct(struct, ("run", callback, 0), ("stop", callback, 8), ("number", file.integer(8), 16))
    contents = bytes(16) + (7).to_bytes(8, "little")
    file.variable("table", contents, section=section, alignment=8, type=type_id)
    return file.relocation(section, 0, 2, "first")
