"""Which type the records of a ring buffer have: the one place that knows.

A ring buffer map has no value type: the kernel refuses one. Rules, the first that fits counts:

1. a global variable `<map>_record` that points to a type names it (`const struct event *events_record;` also
   puts the type into the BTF, which clang leaves out when only function bodies use it);
2. the value type of the map, where the declaration has one;
3. a struct named like the map, like its singular, or just `event`.
"""

from __future__ import annotations

from purebpf.btf import Btf, Kind, Pointer, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.spec.model import ObjectSpec
    from purebpf.units import TypeId


def record_type(spec: ObjectSpec, map_name: str) -> TypeId | None:
    """The type of what programs write into `map_name`; None if the file does not tell."""
    if spec.btf is None:
        return None
    variable = spec.variables.get(f"{map_name}_record")
    if variable is not None and variable.type:
        pointer = spec.btf[resolve(spec.btf, variable.type)]
        if isinstance(pointer, Pointer):
            return pointer.target
    if spec.maps[map_name].value_type:
        return spec.maps[map_name].value_type
    return _named_like(spec.btf, map_name)


def _named_like(btf: Btf, map_name: str) -> TypeId | None:
    for name in (map_name, map_name.removesuffix("s"), "event"):
        found = [*btf.find(name, Kind.STRUCT), *btf.find(name, Kind.UNION)]
        if len(found) == 1:
            return found[0]
    return None


def named_type(btf: Btf | None, name: str) -> TypeId:
    """The type that a caller names as the one of a ring buffer's records; ValueError where there is none."""
    if btf is None:
        raise ValueError(f"there is no type '{name}': the object has no BTF")
    for kind in (Kind.STRUCT, Kind.UNION, Kind.TYPEDEF, Kind.ENUM, Kind.INT):
        found = btf.find_one(name, kind)
        if found is not None:
            return found
    raise ValueError(f"the object's BTF has no type '{name}'")
