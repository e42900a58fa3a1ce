"""Recordings as values: what a load asked of the kernel, with symbols where descriptors and addresses stood.

Rules: two recordings of the same requests are equal, whichever library made them: descriptors become the order in which
things were made ('map 2', 'btf', 'program 0', 'types of id 5'), addresses become what stood there, fields about the
log are dropped, attributes are as long as the longest. A library's questions about the kernel's features are left out.
What is loaded again for the sake of its log counts once, with the last verdict.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from struct import unpack_from
from typing import Any, Final

MAP_CREATE: Final = 0
MAP_UPDATE: Final = 2
PROG_LOAD: Final = 5
OBJ_PIN: Final = 6
BTF_LOAD: Final = 18
BTF_GET_FD_BY_ID: Final = 19
MAP_FREEZE: Final = 22
PROG_BIND_MAP: Final = 35

NAMES: Final = {
    MAP_CREATE: "MAP_CREATE",
    MAP_UPDATE: "MAP_UPDATE",
    PROG_LOAD: "PROG_LOAD",
    OBJ_PIN: "OBJ_PIN",
    BTF_LOAD: "BTF_LOAD",
    MAP_FREEZE: "MAP_FREEZE",
    PROG_BIND_MAP: "PROG_BIND_MAP",
}
"""The commands that change something; others are questions."""

SLOT: Final = "MAP_UPDATE of a slot"
"""Putting a map or program into a map."""

_LOADS: Final = ("PROG_LOAD", "BTF_LOAD")
_ATTRIBUTE: Final = 168
_LDIMM64: Final = 0x18
_CALL: Final = 0x85
_PSEUDO_MAPS: Final = (1, 2)
_PSEUDO_BTF_ID: Final = 3
_MAP_TYPES_OF_FDS: Final = (3, 12, 13)
_F_ALL_CPUS: Final = 16

# What libbpf's questions about features are called, and how large the types are with which it asks.
_PROBE_NAMES: Final = re.compile(r"libbpf_\w*|det_arg_ctx|test")
_PROBE_INSTRUCTIONS: Final = 6
_PROBE_TYPES: Final = 160

Record = dict[str, Any]


@dataclass(slots=True)
class Call:
    """One request: its command, fields by name, and what the kernel said (errno, 0 for yes)."""

    command: str
    fields: dict[str, Any]
    errno: int = 0
    log: str = ""

    def title(self) -> str:
        """What it is about, in a few words."""
        return f"{self.command} {self.fields.get('name', self.fields.get('map', ''))}".strip()


@dataclass(slots=True)
class Attempt:
    """One load of an object, or of one program of it; `program` is empty for the whole."""

    program: str
    calls: list[Call] = field(default_factory=list)
    error: int = 0
    reason: str = ""
    type: str = ""

    def programs(self) -> list[Call]:
        """The programs it loaded or tried to."""
        return [call for call in self.calls if call.command == "PROG_LOAD"]


@dataclass(slots=True)
class Recording:
    """Everything one library made of one object."""

    error: int = 1
    reason: str = "no recording"
    programs: list[Record] = field(default_factory=list)
    maps: list[Record] = field(default_factory=list)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    died: int = 0

    def loads(self) -> bool:
        """Whether the object as a whole was loaded."""
        whole = self.attempts.get("")
        return whole is not None and not whole.error


def read(path: Path) -> Recording:
    """Take a recording apart."""
    recording = Recording()
    reader = _Reader()
    attempt: Attempt | None = None
    for line in path.read_text(errors="replace").splitlines():
        record = json.loads(line)
        match record.pop("kind"):
            case "open":
                recording.error, recording.reason = record["error"], record["reason"].strip()
            case "program":
                recording.programs.append(record)
            case "map":
                recording.maps.append(record)
            case "attempt":
                attempt = Attempt(record["program"])
                recording.attempts[attempt.program] = attempt
                reader.begin()
            case "call":
                call = reader.call(record)
                if call is not None and attempt is not None:
                    _append(attempt.calls, call)
            case "copy":
                reader.copy(record["from"], record["to"])
            case "outcome" if attempt is not None:
                attempt.error, attempt.reason = record["error"], record["reason"].strip()
                attempt.type = record.get("type", "")
                attempt = None
            case "died":
                recording.died = record["status"]
    return recording


def _append(calls: list[Call], call: Call) -> None:
    last = calls[-1] if calls else None
    repeated = last is not None and last.command == call.command and last.errno and last.fields == call.fields
    if repeated and call.command in _LOADS:
        calls[-1] = call
        return
    calls.append(call)


class _Reader:
    """Follows descriptors through the calls of one object."""

    def __init__(self) -> None:
        self.symbols: dict[int, str] = {}
        self._types: dict[int, int] = {}
        self._value_sizes: dict[int, int] = {}
        self.begin()

    def begin(self) -> None:
        """Count anew: an attempt begins."""
        self._count = {"map": 0, "program": 0}
        self._probes: set[int] = set()

    def call(self, record: Record) -> Call | None:
        """The request in symbols, None for a question or a probe."""
        command, result = record["command"], record["result"]
        attr = bytes.fromhex(record.get("attr", "")).ljust(_ATTRIBUTE, b"\0")
        if command == BTF_GET_FD_BY_ID and result >= 0:
            self.symbols[result] = f"types of id {_u32(attr, 0)}"
        if "quiet" in record or command not in NAMES:
            return None
        fields = _TAKE[command](self, attr, record)
        if fields is None:
            return None
        name = NAMES[command]
        if command == MAP_UPDATE and self._types.get(_i32(attr, 0)) in _MAP_TYPES_OF_FDS:
            name = SLOT
        return Call(name, fields, record["errno"], bytes.fromhex(record.get("log", "")).decode(errors="replace"))

    def copy(self, old: int, new: int) -> None:
        """One more descriptor for the same thing."""
        self.symbols[new] = self.symbols.get(old, "?")
        if old in self._types:
            self._types[new] = self._types[old]
            self._value_sizes[new] = self._value_sizes[old]

    def symbol(self, fd: int) -> str:
        """What a descriptor stands for; empty for none."""
        return self.symbols.get(fd, f"unknown descriptor {fd}") if fd > 0 else ""

    def made(self, kind: str, record: Record) -> None:
        """Remember what a call made."""
        if record["result"] >= 0:
            self.symbols[record["result"]] = f"{kind} {self._count[kind]}"
        self._count[kind] += 1

    def map_create(self, attr: bytes, record: Record) -> Record | None:
        name = _text(attr[28:44])
        if _PROBE_NAMES.fullmatch(name):
            return None
        self.made("map", record)
        self._types[record["result"]] = _u32(attr, 0)
        self._value_sizes[record["result"]] = _u32(attr, 8)
        numbers = ("map_type", "key_size", "value_size", "max_entries", "map_flags")
        return {
            "name": name,
            **dict(zip(numbers, unpack_from("<5I", attr), strict=True)),
            "inner": self.symbol(_i32(attr, 20)),
            "numa_node": _u32(attr, 24),
            "ifindex": _u32(attr, 44),
            "btf": self.symbol(_i32(attr, 48)),
            "key_type": _u32(attr, 52),
            "value_type": _u32(attr, 56),
            "vmlinux_value_type": _u32(attr, 60),
            "map_extra": unpack_from("<Q", attr, 64)[0],
            "value_type_btf": self.symbol(_i32(attr, 72)),
        }

    def map_update(self, attr: bytes, record: Record) -> Record | None:
        fd, value = _i32(attr, 0), record["value"]
        if self._types.get(fd) in _MAP_TYPES_OF_FDS:
            value = self.symbol(int.from_bytes(bytes.fromhex(value), "little", signed=True))
        flags = unpack_from("<Q", attr, 24)[0]
        if flags & _F_ALL_CPUS:
            # One value for all CPUs, where the recorder took as many as there are CPUs.
            value = value[: 2 * self._value_sizes[fd]]
        return {"map": self.symbol(fd), "key": record["key"], "value": value, "flags": flags}

    def map_freeze(self, attr: bytes, record: Record) -> Record | None:
        return {"map": self.symbol(_i32(attr, 0))}

    def bind(self, attr: bytes, record: Record) -> Record | None:
        if record["errno"] == 0 and _i32(attr, 0) in self._probes:
            return None
        return {"program": self.symbol(_i32(attr, 0)), "map": self.symbol(_i32(attr, 4)), "flags": _u32(attr, 8)}

    def pin(self, attr: bytes, record: Record) -> Record | None:
        return {"what": self.symbol(_i32(attr, 8)), "path": record["path"], "flags": _u32(attr, 12)}

    def btf_load(self, attr: bytes, record: Record) -> Record | None:
        types = bytes.fromhex(record["btf"])
        if len(types) < _PROBE_TYPES and b"license" not in types:
            return None
        if record["result"] >= 0:
            self.symbols[record["result"]] = "btf"
        return {"btf": record["btf"]}

    def prog_load(self, attr: bytes, record: Record) -> Record | None:
        name = _text(attr[48:64])
        if _PROBE_NAMES.fullmatch(name) or (not name and _u32(attr, 4) <= _PROBE_INSTRUCTIONS):
            self._probes.add(record["result"])
            return None
        self._probes.discard(record["result"])
        self.made("program", record)
        code, references = self._instructions(bytearray.fromhex(record["insns"]))
        attach_fd = _i32(attr, 112)
        fds = bytes.fromhex(record.get("fd_array", ""))
        return {
            "name": name,
            "type": _u32(attr, 0),
            "code": code,
            "references": references,
            "license": record["license"],
            "kernel_version": _u32(attr, 40),
            "flags": _u32(attr, 44),
            "ifindex": _u32(attr, 64),
            "expected_attach_type": _u32(attr, 68),
            "btf": self.symbol(_i32(attr, 72)),
            "func_info": (_u32(attr, 76) if record["func_info"] else 0, record["func_info"]),
            "line_info": (_u32(attr, 92) if record["line_info"] else 0, record["line_info"]),
            "attach_btf_id": _u32(attr, 108),
            "attach_to": self.symbol(attach_fd),
            "fd_array": [self.symbol(fd) for fd in unpack_from(f"<{len(fds) // 4}i", fds)],
        }

    def _instructions(self, code: bytearray) -> tuple[str, list[tuple[int, str]]]:
        """The code with zeros for descriptors, and which stood where."""
        references = []
        for at in range(0, len(code), 8):
            if code[at] != _LDIMM64 or at + 16 > len(code):
                continue
            kind = code[at + 1] >> 4
            place = at + 4 if kind in _PSEUDO_MAPS else at + 12 if kind == _PSEUDO_BTF_ID else 0
            if place:
                references.append((at // 8, self.symbol(_i32(code, place))))
                code[place : place + 4] = bytes(4)
        return code.hex(), references


_TAKE: Final[dict[int, Callable[[_Reader, bytes, Record], Record | None]]] = {
    MAP_CREATE: _Reader.map_create,
    MAP_UPDATE: _Reader.map_update,
    MAP_FREEZE: _Reader.map_freeze,
    PROG_BIND_MAP: _Reader.bind,
    OBJ_PIN: _Reader.pin,
    BTF_LOAD: _Reader.btf_load,
    PROG_LOAD: _Reader.prog_load,
}


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode(errors="replace")


def _u32(data: bytes | bytearray, at: int) -> int:
    return int(unpack_from("<I", data, at)[0])


def _i32(data: bytes | bytearray, at: int) -> int:
    return int(unpack_from("<i", data, at)[0])
