"""Changes of an ObjectSpec; each gives a new one and leaves the old as it was.

Rules: a name that the object does not have, a value that does not fit its type and a property that does not
exist are errors of the caller (ValueError, TypeError), with the nearest names told.
"""

from __future__ import annotations

from purebpf.frozen import replace
from purebpf.spec.maps import map_type
from purebpf.spec.model import MapOrigin, MapSpec, ObjectSpec, Pinning, ProgramSpec, VariableSpec
from purebpf.spec.sections import match_section
from purebpf.uapi import AttachType, MapType, ProgramType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any, Final, TypeVar

    _Item = TypeVar("_Item")

_MAP_PROPERTIES: Final = {
    **dict.fromkeys(("type", "key_size", "value_size", "max_entries", "flags", "numa_node"), 1 << 32),
    "map_extra": 1 << 64,
    "pinning": len(Pinning),
    "autocreate": 2,
}
"""What `with_map` can change, and the first number that it cannot be changed to."""
_SIZES_KEPT: Final = {
    MapOrigin.DATA: "a data section",
    MapOrigin.KCONFIG: "the values of the kernel's configuration",
    MapOrigin.STRUCT_OPS: "a struct_ops",
}


def named(kind: str, name: str, known: Mapping[str, _Item]) -> _Item:
    """`known[name]`, or a ValueError that tells the nearest names."""
    found = known.get(name)
    if found is None:
        raise ValueError(f"the object has no {kind} '{name}'{_nearest(name, known)}")
    return found


def _nearest(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # 2 ms that only an error costs

    near = get_close_matches(name, known, n=3)
    if near:
        return f"; near: {', '.join(near)}"
    return f"; it has: {', '.join(sorted(known))}" if 0 < len(known) <= 12 else ""


def with_values(spec: ObjectSpec, values: Mapping[str, Any]) -> ObjectSpec:
    """`spec` with other initial values of global variables."""
    images: dict[str, bytearray] = {}
    for name, value in values.items():
        variable = named("global variable", name, spec.variables)
        _refuse_kconfig(spec, variable)
        image = images.get(variable.map)
        if image is None:
            image = images[variable.map] = bytearray(_image(spec.maps[variable.map]))
        encoded = _encoded(spec, variable, value)
        image[variable.offset : variable.offset + len(encoded)] = encoded
    maps = dict(spec.maps)
    for name, image in images.items():
        maps[name] = replace(maps[name], contents=bytes(image))
    return replace(spec, maps=maps)


def value_of(spec: ObjectSpec, name: str) -> Any:
    """The initial value of a global variable, decoded by its type (bytes where the file has no BTF)."""
    variable = named("global variable", name, spec.variables)
    _refuse_kconfig(spec, variable)
    from purebpf.btf import codec_for

    raw = _image(spec.maps[variable.map])[variable.offset : variable.offset + variable.size]
    return codec_for(spec.btf, variable.type).decode(raw) if spec.btf is not None and variable.type else raw


def _refuse_kconfig(spec: ObjectSpec, variable: VariableSpec) -> None:
    if spec.maps[variable.map].origin is MapOrigin.KCONFIG:
        raise ValueError(
            f"'{variable.name}' is no variable of the object, but of the kernel's configuration: its value is known "
            "when the object is loaded, and the option kconfig gives another"
        )


def _image(data: MapSpec) -> bytes:
    return data.contents if data.contents is not None else bytes(data.value_size)


def _encoded(spec: ObjectSpec, variable: VariableSpec, value: Any) -> bytes:
    if spec.btf is not None and variable.type:
        from purebpf.btf import codec_for

        try:
            encoded = codec_for(spec.btf, variable.type).encode(value)
        except (TypeError, ValueError) as error:
            error.add_note(f"global variable '{variable.name}'")
            raise
    elif isinstance(value, bytes | bytearray | memoryview):
        encoded = bytes(value)
    else:
        raise TypeError(
            f"global variable '{variable.name}' has no type in the file: give its {variable.size} bytes, not "
            f"{type(value).__name__}"
        )
    if len(encoded) > variable.size or (len(encoded) < variable.size and not variable.type):
        raise ValueError(f"global variable '{variable.name}' takes {variable.size} bytes, not {len(encoded)}")
    return encoded


def with_map(spec: ObjectSpec, name: str, **properties: Any) -> ObjectSpec:
    """`spec` with other properties of one map (`max_entries`, `type`, `flags`, `pinning`, ...)."""
    changed = named("map", name, spec.maps)
    for key, value in properties.items():
        if key not in _MAP_PROPERTIES:
            raise TypeError(f"a map has no property '{key}'; it has: {', '.join(_MAP_PROPERTIES)}")
        properties[key] = _map_property(key, value)
    kept = _SIZES_KEPT.get(changed.origin)
    if kept is not None and properties.keys() - {"flags", "numa_node", "autocreate"}:
        raise ValueError(f"map '{name}' is {kept}: its size and type are the file's")
    # A type id says a size; once the size is another, it no longer describes the map.
    if properties.get("key_size", changed.key_size) != changed.key_size:
        properties["key_type"] = 0
    if properties.get("value_size", changed.value_size) != changed.value_size:
        properties["value_type"] = 0
    return replace(spec, maps={**spec.maps, name: replace(changed, **properties)})


def _map_property(key: str, value: Any) -> Any:
    """The value as a MapSpec has it; map types may be named as the kernel names them ("lru_hash")."""
    if key == "type" and isinstance(value, str):
        names = {kind.name.lower(): kind for kind in MapType}
        if value not in names:
            raise ValueError(f"there is no map type '{value}'{_nearest(value, names)}")
        return names[value]
    if key == "numa_node" and value is None:
        return None
    if not isinstance(value, int):
        raise TypeError(f"{key} of a map is a number, not {type(value).__name__}")
    if not 0 <= value < _MAP_PROPERTIES[key]:
        raise ValueError(f"{key} of a map is at least 0 and less than {_MAP_PROPERTIES[key]}, not {value}")
    if key == "pinning":
        return Pinning(value)
    if key == "autocreate":
        return bool(value)
    return map_type(value) if key == "type" else value


def with_programs(spec: ObjectSpec, names: Iterable[str]) -> ObjectSpec:
    """`spec` that loads exactly the programs `names`."""
    wanted = list(names)
    for name in wanted:
        named("program", name, spec.programs)
    programs = {p.name: replace(p, autoload=p.name in wanted) for p in spec.programs.values()}
    return replace(spec, programs=programs)


def with_program(spec: ObjectSpec, name: str, **properties: Any) -> ObjectSpec:
    """`spec` with other properties of one program.

    `section` gives it the type and target that SEC() of that name would, and a leading "?" takes it out of the
    load; the other properties are `type`, `expected_attach_type`, `attach_to`, `target_program`, `flags`,
    `log_level` and `autoload`.
    """
    changed: ProgramSpec = named("program", name, spec.programs)
    section = properties.pop("section", None)
    if section is not None:
        found = match_section(section.removeprefix("?"))
        if found is None:
            raise ValueError(f"'{section}' is no section name that tells a program type")
        definition, attach_to = found
        changed = replace(
            changed,
            section=section,
            definition=definition,
            type=definition.program_type,
            expected_attach_type=definition.attach_type,
            attach_to=attach_to,
            flags=definition.program_flags,
            autoload=changed.autoload and not section.startswith("?"),
        )
    for key, value in properties.items():
        check = _PROGRAM_PROPERTIES.get(key)
        if check is None:
            raise TypeError(f"a program has no property '{key}'; it has: section, {', '.join(_PROGRAM_PROPERTIES)}")
        properties[key] = check(key, value)
    return replace(spec, programs={**spec.programs, name: replace(changed, **properties)})


def _program_type(key: str, value: Any) -> Any:
    return _member(key, value, ProgramType)


def _attach_type(key: str, value: Any) -> Any:
    return None if value is None else _member(key, value, AttachType)


def _member(key: str, value: Any, kinds: type[ProgramType] | type[AttachType]) -> Any:
    """The kernel's number; it may be named as the kernel names it ("cgroup_skb")."""
    if isinstance(value, str):
        names = {str(kind): kind for kind in kinds}
        if value not in names:
            raise ValueError(f"{key} of a program: there is no '{value}'{_nearest(value, names)}")
        return names[value]
    number = _number(key, value)
    # The kernel may know numbers that this library does not.
    return next((kind for kind in kinds if kind == number), number)


def _number(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{key} of a program is a number, not {type(value).__name__}")
    if not 0 <= value < 1 << 32:
        raise ValueError(f"{key} of a program is at least 0 and less than {1 << 32}, not {value}")
    return value


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, int) or value not in (0, 1):
        raise TypeError(f"{key} of a program is True or False, not {value!r}")
    return bool(value)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{key} of a program is a name, not {type(value).__name__}")
    return value


def _loaded_program(key: str, value: Any) -> Any:
    if value is not None and not isinstance(value, int) and not hasattr(value, "fileno"):
        raise TypeError(f"{key} of a program is a loaded program or an fd, not {type(value).__name__}")
    return value


_PROGRAM_PROPERTIES: Final = {
    "type": _program_type,
    "expected_attach_type": _attach_type,
    "attach_to": _text,
    "target_program": _loaded_program,
    "flags": _number,
    "log_level": _number,
    "autoload": _flag,
}
"""What `with_program` can change besides the section, and what checks it."""
