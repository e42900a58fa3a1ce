"""The generated modules are what their checked-in inputs give, and what the running kernel says."""

import importlib
from pathlib import Path

import pytest

from purebpf import uapi
from purebpf.btf import Btf, Enum, Kind
from purebpf.enums import IntEnum
from purebpf.helper_ids import Helper
from tools import make_uapi

RUNNING = Path("/sys/kernel/btf/vmlinux")


def test_every_generated_module_is_current() -> None:
    source = make_uapi.read_source()
    stale = [path.name for path, text in make_uapi.modules(source).items() if path.read_text() != text]
    assert stale == [], "run tools/make_uapi.py"


def test_cutting_the_cut_btf_changes_nothing() -> None:
    data = (make_uapi.DATA / "uapi.btf").read_bytes()
    assert make_uapi.cut(Btf.parse(data)) == data


@pytest.mark.parametrize(
    ("number", "name"), [(19, "CGROUP_STORAGE"), (21, "PERCPU_CGROUP_STORAGE"), (35, "RHASH"), (27, "RINGBUF")]
)
def test_a_map_type_has_the_name_that_libbpf_prints(number: int, name: str) -> None:
    assert uapi.MapType(number).name == name


def test_prog_run_is_the_alias_and_prog_test_run_the_name() -> None:
    assert uapi.Command(10).name == "PROG_TEST_RUN"


def test_a_value_newer_than_the_btf_comes_from_the_supplement() -> None:
    assert uapi.AttachType["TRACE_FSESSION"] == 58


@pytest.fixture(scope="module")
def running() -> Btf:
    return Btf.parse(RUNNING.read_bytes(), name="vmlinux")


@pytest.mark.parametrize(
    ("members", "kernel_name", "prefix"),
    [(getattr(uapi, name), kernel_name, prefixes[0]) for name, kernel_name, prefixes in make_uapi.ENUMS]
    + [(Helper, "bpf_func_id", "BPF_FUNC_")],
)
def test_the_running_kernel_agrees_on_every_member_both_know(
    running: Btf, members: type[IntEnum], kernel_name: str, prefix: str
) -> None:
    type_id = running.find_one(kernel_name, Kind.ENUM)
    assert type_id is not None
    enum = running[type_id]
    assert isinstance(enum, Enum)
    theirs = {item.name.removeprefix(prefix): item.value for item in enum.enumerators}
    ours = {name: int(value) for name, value in members.__members__.items()}
    shared = ours.keys() & theirs.keys()
    assert len(shared) > 10
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}


@pytest.mark.parametrize(
    "layout", [*make_uapi.LOAD_ATTRS, *make_uapi.ATTRS, *make_uapi.INFOS], ids=lambda layout: layout.name
)
def test_the_running_kernel_agrees_on_every_field_both_know(running: Btf, layout: make_uapi.Layout) -> None:
    checked_in = make_uapi.read_source()
    ours = {field.name: field for field in checked_in.fields(layout)}
    theirs = {field.name: field for field in make_uapi.Source(running, checked_in.extra).fields(layout)}
    shared = ours.keys() & theirs.keys()
    assert shared
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}


def test_the_modules_can_be_imported_alone() -> None:
    for name in ("uapi", "helper_ids", "syscall.load_attrs", "syscall.attrs", "syscall.infos"):
        assert importlib.import_module(f"purebpf.{name}").__doc__ == make_uapi.HEADER.strip().strip('"')
