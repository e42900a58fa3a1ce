"""The corpus's quick sample, and the reading and comparing of recordings that it rests on.

`./dev corpus` runs the whole: every object, two versions of libbpf, three kernels.
"""

from __future__ import annotations

import json
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from tools.corpus import objects
from tools.corpus.calls import Recording, read
from tools.corpus.command import judge
from tools.corpus.compare import Difference, compare
from tools.corpus.differences import EXPLAINED, explain
from tools.corpus.embedded import images
from tools.corpus.libbpf import DEBIAN, NEWER
from tools.corpus.record import Setting

SAMPLE = ("libbpf-tools", "xdp-tools", "libxdp1")
"""Groups whose packages are small; every third object of each."""

MAP_CREATE, MAP_UPDATE, PROG_LOAD, BTF_LOAD, BTF_GET_FD_BY_ID = 0, 2, 5, 18, 19
PROG_ARRAY, PERCPU_ARRAY, STRUCT_OPS, ALL_CPUS = 3, 6, 26, 16
EXIT = "9500000000000000"


def test_the_objects_of_debians_tools_are_loaded_by_the_calls_that_libbpf_makes() -> None:
    paths = [path for name in SAMPLE for path in objects.group(name).objects[::3]]
    outcome = judge(paths, Setting(), DEBIAN)
    assert outcome.unexplained == []
    assert outcome.objects == len(paths) > 20


# ------------------------------------------------------------------ reading recordings


def call(command: int, attr: bytes, result: int, **more: Any) -> dict[str, Any]:
    error = 0 if result >= 0 else 22
    return {"kind": "call", "command": command, "attr": attr.hex(), "result": result, "errno": error, **more}


def map_create(fd: int, name: str, kind: int = 2) -> dict[str, Any]:
    return call(MAP_CREATE, pack("<5I8x16s", kind, 4, 8, 1, 0, name.encode()), fd)


def prog_load(fd: int, name: str, insns: str = EXIT, *, level: int = 0, attach_fd: int = 0) -> dict[str, Any]:
    attr = pack("<II16xI20x16s48xI", 5, len(insns) // 16, level, name.encode(), attach_fd)
    return call(PROG_LOAD, attr, fd, insns=insns, license="", func_info="", line_info="")


def recording(folder: Path, *records: dict[str, Any], error: int = 0, reason: str = "", program: str = "") -> Recording:
    path = folder / "recording.jsonl"
    lines = [
        {"kind": "open", "error": 0, "reason": ""},
        {"kind": "attempt", "program": program},
        *records,
        {"kind": "outcome", "error": error, "reason": reason},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return read(path)


def differences(theirs: Recording, mine: Recording) -> list[str]:
    return [difference.what for difference in compare(Path("group/object.bpf.o"), theirs, mine)]


def test_the_same_requests_with_other_descriptors_are_alike(tmp_path: Path) -> None:
    def load(fd: int) -> Recording:
        insn = b"\x18\x11\0\0" + pack("<I", fd) + bytes(8)
        return recording(tmp_path, map_create(fd, "counts"), prog_load(fd + 1, "count", insn.hex() + EXIT))

    assert differences(load(7), load(90)) == []


def test_a_reference_to_another_map_is_a_difference(tmp_path: Path) -> None:
    def load(used: int) -> Recording:
        insn = b"\x18\x11\0\0" + pack("<I", used) + bytes(8)
        maps = map_create(7, "a"), map_create(8, "b")
        return recording(tmp_path, *maps, prog_load(9, "count", insn.hex() + EXIT))

    assert differences(load(7), load(8)) == ["PROG_LOAD references"]


def test_a_copy_of_a_descriptor_stands_for_the_same_map(tmp_path: Path) -> None:
    def update(fd: int) -> dict[str, Any]:
        return call(MAP_UPDATE, pack("<I4xQQQ", fd, 1, 2, 0), 0, key="00000000", value="01")

    copied = recording(tmp_path, map_create(7, "a"), {"kind": "copy", "from": 7, "to": 30}, update(30))
    assert differences(recording(tmp_path, map_create(7, "a"), update(7)), copied) == []


@pytest.mark.parametrize("probe", [prog_load(5, "libbpf_nametest"), prog_load(5, ""), map_create(5, "libbpf_global")])
def test_questions_about_features_are_left_out(tmp_path: Path, probe: dict[str, Any]) -> None:
    assert differences(recording(tmp_path, probe, map_create(6, "a")), recording(tmp_path, map_create(6, "a"))) == []


def test_a_load_repeated_for_its_log_counts_once(tmp_path: Path) -> None:
    again = recording(tmp_path, prog_load(-1, "p"), prog_load(-1, "p", level=1), error=-22, reason="no")
    assert len(again.attempts[""].calls) == 1
    assert differences(again, recording(tmp_path, prog_load(-1, "p"), error=1, reason="no")) == []


def test_types_loaded_again_for_their_log_count_once(tmp_path: Path) -> None:
    refused = call(BTF_LOAD, bytes(40), -1, btf=bytes(200).hex())
    assert differences(recording(tmp_path, refused, refused), recording(tmp_path, refused)) == []


def test_types_of_modules_are_named_by_their_id(tmp_path: Path) -> None:
    def load(fd: int, btf_id: int) -> Recording:
        types = call(BTF_GET_FD_BY_ID, pack("<I", btf_id), fd)
        return recording(tmp_path, types, prog_load(fd + 1, "p", attach_fd=fd))

    assert differences(load(5, 33), load(9, 33)) == []
    assert differences(load(5, 33), load(9, 34)) == ["PROG_LOAD attach_to"]


def test_a_verdict_that_differs_is_named_by_who_refuses(tmp_path: Path) -> None:
    good = recording(tmp_path, prog_load(5, "p"))
    bad = recording(tmp_path, error=1, reason="cannot load")
    assert (differences(good, bad), differences(bad, good)) == (["refused"], ["accepted"])


def test_a_program_alone_is_judged_by_its_own_load(tmp_path: Path) -> None:
    slots = recording(tmp_path, prog_load(5, "p"), error=-9, reason="a slot names a program not loaded", program="p")
    assert differences(slots, recording(tmp_path, prog_load(5, "p"), program="p")) == []


def test_a_slot_of_a_program_that_is_not_loaded_does_not_count(tmp_path: Path) -> None:
    made = map_create(5, "jumps", kind=PROG_ARRAY)
    attr = pack("<I4x2QQ", 5, 0, 0, 0)
    absent = call(MAP_UPDATE, attr, 0, key="00000000", value=pack("<i", -1).hex())
    assert differences(recording(tmp_path, made, absent), recording(tmp_path, made)) == []


def test_a_value_for_all_cpus_is_one_value(tmp_path: Path) -> None:
    def load(value: str) -> Recording:
        attr = pack("<I4x2QQ", 5, 0, 0, ALL_CPUS)
        made = map_create(5, ".percpu", kind=PERCPU_ARRAY)
        return recording(tmp_path, made, call(MAP_UPDATE, attr, 0, key="00000000", value=value))

    assert differences(load("01" * 8 + "77" * 8), load("01" * 8 + "99" * 8)) == []
    assert differences(load("01" * 8), load("02" * 8)) == ["MAP_UPDATE value"]


# ------------------------------------------------------------------ the table and the objects


def test_an_explanation_fits_by_all_of_its_patterns() -> None:
    difference = Difference("group/o.bpf.o", "m", "MAP_CREATE btf", "btf", "")
    assert explain(difference, DEBIAN) is EXPLAINED[0]
    assert explain(Difference("group/o.bpf.o", "m", "MAP_CREATE btf", "", "btf"), DEBIAN) is None


def test_an_explanation_of_one_version_is_none_of_another() -> None:
    difference = Difference("group/o.bpf.o", "p", "PROG_LOAD kernel_version", "393472", "393664")
    assert explain(difference, DEBIAN) is not None
    assert explain(difference, NEWER) is None


MADE, MADE_NO_OPS = "2 maps, 1 of struct_ops; 1 programs", "1 maps, 0 of struct_ops; 0 programs"
RUNQUEUES = "incompatible types, expected [25] fwd rq, but kernel has [18017] struct rq"
NO_OPS = "libbpf: struct_ops init_kern: struct bpf_struct_ops_own is not found in kernel BTF"


def section(name: str) -> str:
    return f"libbpf: prog 'p': missing BPF prog type, check ELF section name '{name}'"


@pytest.mark.parametrize(
    ("what", "libbpf", "purebpf", "explained"),
    [
        ("opened", "libbpf: map 'm1': unsupported map linkage static.", "", True),
        ("opened", "libbpf: map 'm1': unsupported map linkage extern.", "", True),
        ("opened", "libbpf: .maps relo #0: hash-of-maps 'outer' should have key size 4.", "", True),
        (
            "opened",
            "libbpf: elf: sec '.addr_space.1': declared ARENA map size (4096) is too small to hold global __arena "
            "variables of size 9000",
            "",
            True,
        ),
        ("accepted", f"libbpf: extern (var ksym) 'runqueues': {RUNQUEUES}", MADE, True),
        ("accepted", "libbpf: extern (var ksym) 'bpf_prog_put': not found in kernel BTF", MADE, True),
        ("accepted", "libbpf: prog 'p': 'own' is not found in kernel BTF", MADE, False),
        ("accepted", NO_OPS, MADE_NO_OPS, True),
        ("accepted", NO_OPS, MADE, False),
        ("accepted", section("fsession/do_unlinkat"), MADE, True),
        ("accepted", section("tp_btf.s/sched_switch"), MADE, True),
        ("accepted", section("fentry.multi.s/x:y"), MADE, True),
        ("accepted", section("tp_btf/sched_switch"), MADE, False),
        ("accepted", section("fentry.multi_x"), MADE, False),
        ("program type", "uprobe.session//bin/sh:main: 0", "2", True),
        ("program expected_attach_type", "fsession/do_unlinkat: 0", "58", True),
        ("program type", "fsession/do_unlinkat: 5", "26", False),
        ("program type", "xdp: 0", "6", False),
    ],
)
def test_what_is_meant_to_differ_is_told_from_its_like(what: str, libbpf: str, purebpf: str, explained: bool) -> None:
    found = explain(Difference("group/o.bpf.o", "p", what, libbpf, purebpf), NEWER)
    assert (found is not None) is explained


def test_names_of_sections_are_new_to_the_version_that_came_before_them() -> None:
    netkit = Difference("group/o.bpf.o", "p", "program type", "netkit/peer: 0", "3")
    session = Difference("group/o.bpf.o", "p", "program type", "uprobe.session/x:y: 0", "2")
    assert explain(netkit, DEBIAN) is not None
    assert explain(netkit, NEWER) is None
    assert explain(session, DEBIAN) is explain(session, NEWER) is not None


def test_what_purebpf_made_is_told_where_it_alone_accepts(tmp_path: Path) -> None:
    mine = recording(tmp_path, map_create(5, "a"), map_create(6, "ops", kind=STRUCT_OPS), prog_load(7, "p"))
    theirs = recording(tmp_path, error=-3, reason="no")
    (difference,) = compare(Path("group/object.bpf.o"), theirs, mine)
    assert difference.purebpf == "2 maps, 1 of struct_ops; 1 programs"


def test_objects_are_found_inside_a_program() -> None:
    (built,) = (path for path in objects.group("built").objects if path.name == "minimal.bpf.o")
    image = built.read_bytes()
    host = b"\x7fELF" + bytes(12) + pack("<HH", 2, 62) + bytes(200)
    assert list(images(host + image + b"rest")) == [image]


def test_objects_of_the_other_byte_order_are_found_as_well() -> None:
    (built,) = (path for path in objects.group("built").objects if path.name == "minimal.eb.bpf.o")
    assert list(images(b"before" + built.read_bytes() + b"after")) == [built.read_bytes()]
