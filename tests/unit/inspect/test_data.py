"""Stages as plain data."""

import json
from pathlib import Path
from types import MappingProxyType

import pytest

from purebpf.inspect import plain, stage_data
from purebpf.plan.stages import trace
from purebpf.plan.target import Target
from purebpf.spec.sections import AttachKind
from purebpf.uapi import MapType

BUILT = Path(__file__).parents[3] / "bpf" / "built"
TARGET = Target("6.12", "6.12.0", 0x060C00, "little")


@pytest.mark.parametrize("path", sorted(BUILT.glob("*.bpf.o")), ids=lambda path: path.name)
def test_every_stage_of_every_object_survives_json(path: Path) -> None:
    for result in trace(path, TARGET):
        data = stage_data(result)
        assert json.loads(json.dumps(data)) == data
        assert set(data) == {"stage", "microseconds", "error", "value"}
        assert data["stage"] == result.stage
        assert (data["error"] is None) == (result.error is None)


def test_an_error_has_type_and_message() -> None:
    (result,) = trace(b"no ELF", TARGET)
    data = stage_data(result)
    assert data["error"] == {"type": "ElfError", "message": str(result.error)}
    assert data["value"] is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        ("text", "text"),
        (b"\x01\xff", "01ff"),
        (MapType.HASH, "hash"),
        (AttachKind.XDP, "xdp"),
        ((1, b"\2"), [1, "02"]),
        ({1: b"\3"}, {"1": "03"}),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (Path("/x"), "/x"),
    ],
)
def test_values_become_what_json_knows(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_dataclasses_become_dicts_with_every_field() -> None:
    spec = next(result.value for result in trace(BUILT / "minimal.bpf.o", TARGET) if result.stage == "describe")
    data = plain(spec)
    assert data["maps"][".rodata"]["type"] == "array"
    assert data["programs"]["handle_write"]["section"] == "tp/syscalls/sys_enter_write"
    assert data["btf"] == {"types": len(spec.btf), "bytes": len(spec.btf.raw)}
