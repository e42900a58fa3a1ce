"""The steps of a load, in libbpf's order and with libbpf's corrections."""

from dataclasses import replace
from pathlib import Path

import pytest

from purebpf.errors import NotSupported, PlanError
from purebpf.plan.build import kernel_map_name, ring_size
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import (
    BindMap,
    CreateMap,
    FreezeMap,
    LoadBtf,
    LoadPlan,
    LoadProgram,
    SetInnerMap,
    SetProgram,
    SetValue,
)
from purebpf.plan.target import Feature, Target
from purebpf.spec import MapOrigin, MapSpec, ObjectSpec, Pinning
from purebpf.uapi import AttachType, MapType
from tests.writers import ObjectWriter

BUILT = Path(__file__).parents[3] / "bpf" / "built"
EXIT = b"\x95" + bytes(7)
LOAD = b"\x18\x01" + bytes(14)


def target(**features: bool) -> Target:
    """A little-endian kernel with every feature but those that are False."""
    known = {Feature[name]: there for name, there in features.items()}
    return Target("test", "6.12.3", 0x060C03, "little", possible_cpus=6, features=known)


def built(name: str) -> ObjectSpec:
    return open_object(BUILT / f"{name}.bpf.o")


def plan(spec: ObjectSpec | ObjectWriter, **features: bool) -> LoadPlan:
    if isinstance(spec, ObjectWriter):
        spec = open_object(spec.build(), name="test")
    return plan_object(spec, target(**features), pin_root="/pins")


def one_map(spec: ObjectSpec, name: str, **features: bool) -> CreateMap:
    return next(step for step in plan(spec, **features).maps() if step.name == name)


def one_program(file: ObjectWriter, **features: bool) -> LoadProgram:
    (step,) = plan(file, **features).programs()
    return step


# ------------------------------------------------------------------ order


def test_types_come_first_then_maps_with_their_contents_then_slots_then_programs() -> None:
    kinds = [type(step) for step in plan(built("globals")).steps]
    assert kinds[0] is LoadBtf
    programs = kinds.index(LoadProgram)
    assert set(kinds[1:programs]) == {CreateMap, SetValue, FreezeMap}
    assert set(kinds[programs + 1 :]) == {BindMap}


def test_each_data_map_is_made_filled_and_if_read_only_frozen_and_bound() -> None:
    steps = plan(built("globals")).steps
    for name, frozen in ((".data", False), (".rodata", True), (".bss", False), (".rodata.custom", True)):
        made = next(i for i, step in enumerate(steps) if isinstance(step, CreateMap) and step.name == name)
        value = steps[made + 1]
        assert isinstance(value, SetValue)
        assert (value.map, value.key, len(value.value)) == (name, bytes(4), steps[made].value_size)  # type: ignore[union-attr]
        assert (steps[made + 2] == FreezeMap(name)) is frozen
        assert (BindMap("add_up", name) in steps) is frozen


def test_slots_of_maps_come_before_programs_and_slots_of_programs_after() -> None:
    steps = plan(built("map_in_map")).steps
    assert steps.index(SetInnerMap("by_index", 3, "inner_b")) < next(
        i for i, step in enumerate(steps) if isinstance(step, LoadProgram)
    )
    assert plan(built("tailcall")).steps[-2:] == (SetProgram("jumps", 0, "first"), SetProgram("jumps", 2, "second"))


def test_programs_with_autoload_off_are_left_out_and_maps_are_not() -> None:
    made = plan(built("rejected"))
    assert not list(made.programs())
    assert [step.name for step in made.maps()] == ["values"]


def test_the_same_input_gives_the_same_plan() -> None:
    assert plan(built("kprobe")) == plan(built("kprobe"))
    assert plan(built("kprobe")) != plan(built("kprobe").with_values(my_tgid=77))


# ------------------------------------------------------------------ maps


@pytest.mark.parametrize(
    ("wanted", "page", "expected"),
    [
        (0, 4096, 0),
        (1, 4096, 4096),
        (4096, 4096, 4096),
        (4097, 4096, 8192),
        (5000, 4096, 8192),
        (8193, 4096, 16384),
        (1 << 20, 4096, 1 << 20),
        (4096, 65536, 65536),
        (65537, 65536, 131072),
        (1 << 31, 4096, 1 << 31),
        ((1 << 31) + 1, 4096, (1 << 31) + 1),
        ((1 << 32) - 1, 65536, (1 << 32) - 1),
    ],
)
def test_a_ring_buffer_is_a_power_of_two_of_pages(wanted: int, page: int, expected: int) -> None:
    assert ring_size(wanted, page) == expected


def test_ring_buffers_of_both_directions_are_rounded() -> None:
    assert one_map(built("maps"), "ring").max_entries == 8192
    assert one_map(built("maps"), "user_ring").max_entries == 4096
    large_pages = replace(target(), page_size=65536)
    steps = plan_object(built("maps"), large_pages).maps()
    assert next(step.max_entries for step in steps if step.name == "ring") == 65536


def test_a_perf_array_without_a_size_has_a_slot_a_cpu() -> None:
    assert one_map(built("maps"), "perf_events").max_entries == 6
    assert one_map(built("maps").with_map("perf_events", max_entries=2), "perf_events").max_entries == 2
    assert one_map(built("maps"), "socket_storage").max_entries == 0


@pytest.mark.parametrize(
    ("object_name", "map_name", "expected"),
    [
        ("minimal", ".rodata", "minimal.rodata"),
        ("minimal", ".bss", "minimal.bss"),
        ("minimal", ".data", "minimal.data"),
        ("a_long_object_name", ".rodata", "a_long_o.rodata"),
        ("a_long_object_name", ".bss", "a_long_o.bss"),
        ("x", ".rodata.str1.1", ".rodata.str1.1"),
        ("x", ".data.much_too_long_a_name", ".data.much_too_"),
        ("x", ".data.with-dash", ".data.with_dash"),
        # By bytes, of which \u00fc has two, and by bytes it is cut.
        ("m\u00fcller-2", ".bss", "m__ller_.bss"),
        ("\u00fc", ".bss", "__.bss"),
        ("longer_\u00fc", ".bss", "longer__.bss"),
        ("\udcff", ".bss", "_.bss"),
        ("x", ".data.\u00fc", ".data.__"),
        (".hidden.o", ".bss", ".bss"),
    ],
)
def test_a_data_map_is_named_after_its_object_and_section(object_name: str, map_name: str, expected: str) -> None:
    spec = MapSpec(map_name, MapType.ARRAY, 4, 4, 1, origin=MapOrigin.DATA, section=map_name)
    assert kernel_map_name(object_name, spec) == expected


def test_other_names_are_cut_to_15() -> None:
    assert one_map(built("maps"), "a_name_longer_than_the_kernel_takes").kernel_name == "a_name_longer_t"
    file = ObjectWriter().function("a_program_with_a_long_name", EXIT, section="xdp")
    step = one_program(file)
    assert (step.name, step.kernel_name) == ("a_program_with_a_long_name", "a_program_with_")


def test_a_kernel_without_names_is_given_none() -> None:
    made = plan(built("minimal"), PROG_NAME=False)
    assert {step.kernel_name for step in made.maps()} == {step.kernel_name for step in made.programs()} == {""}


def test_map_types_that_refuse_type_ids_get_none() -> None:
    file = built("maps")
    assert one_map(file, "hash").key_type == file.maps["hash"].key_type != 0
    assert file.maps["queue"].value_type
    assert (one_map(file, "queue").key_type, one_map(file, "queue").value_type) == (0, 0)
    assert one_map(file, "sockets_by_hash").value_type == 0


def test_without_types_in_the_kernel_nothing_has_any() -> None:
    made = plan(built("kprobe"), BTF=False)
    assert not any(isinstance(step, LoadBtf) for step in made.steps)
    assert not any(step.key_type or step.value_type for step in made.maps())
    assert not any(step.func_info or step.line_info for step in made.programs())


def test_records_of_functions_need_their_feature() -> None:
    assert all(step.func_info and step.line_info for step in plan(built("kprobe")).programs())
    assert not any(step.func_info or step.line_info for step in plan(built("kprobe"), BTF_FUNC=False).programs())


def test_data_maps_are_mappable_where_the_kernel_can() -> None:
    assert one_map(built("globals"), ".data").flags & 1 << 10
    assert one_map(built("globals"), ".data", ARRAY_MMAP=False).flags == 0
    assert one_map(built("globals"), ".rodata", ARRAY_MMAP=False).flags == 1 << 7
    assert one_map(built("maps"), "mapped", ARRAY_MMAP=False).flags == 1 << 10


def test_inner_maps_are_corrected_like_others() -> None:
    inner = one_map(built("map_in_map"), "by_key").inner
    assert inner is not None
    assert (inner.kernel_name, inner.type, inner.max_entries) == ("by_key.inner", MapType.HASH, 5)


def test_a_map_pinned_by_name_is_pinned_below_the_root() -> None:
    assert one_map(built("pinned"), "purebpf_pinned").pin_path == "/pins/purebpf_pinned"
    unpinned = built("pinned").with_map("purebpf_pinned", pinning=Pinning.NONE)
    assert one_map(unpinned, "purebpf_pinned").pin_path is None


def test_numa_nodes_and_map_extra_are_handed_on() -> None:
    assert (one_map(built("maps"), "on_node").numa_node, one_map(built("maps"), "on_node").flags) == (0, 5)
    assert one_map(built("maps"), "bloom").map_extra == 3


# ------------------------------------------------------------------ programs


def test_global_data_is_needed_by_who_uses_it_only() -> None:
    with pytest.raises(
        NotSupported, match=r"this kernel does not support global variables: needs Linux 5\.2"
    ) as caught:
        plan(built("globals"), GLOBAL_DATA=False)
    assert "program 'add_up' uses variables in '.rodata'" in str(caught.value)
    file = ObjectWriter().function("entry", EXIT, section="xdp").variable("v", b"x")
    assert not list(plan(file, GLOBAL_DATA=False).maps())


def with_per_cpu_data() -> ObjectWriter:
    return ObjectWriter().function("entry", LOAD + EXIT, section="xdp").variable("v", b"1234", section=".percpu.cfg")


def test_per_cpu_data_is_written_for_all_cpus_at_once() -> None:
    steps = plan(with_per_cpu_data()).steps
    made = next(i for i, step in enumerate(steps) if isinstance(step, CreateMap))
    assert steps[made + 1] == SetValue(".percpu.cfg", bytes(4), b"1234", all_cpus=True)


def test_a_map_of_per_cpu_data_is_not_named_after_the_object() -> None:
    file = ObjectWriter().function("entry", EXIT, section="xdp").variable("v", b"x", section=".percpu")
    (step,) = plan(file).maps()
    assert (step.name, step.kernel_name) == (".percpu", ".percpu")


def test_per_cpu_data_is_needed_by_who_uses_it_only() -> None:
    assert not list(plan(with_per_cpu_data(), PERCPU_DATA=False).maps())
    used = with_per_cpu_data().address("entry", 0, "v")
    with pytest.raises(NotSupported, match=r"global variables of each CPU .*: needs Linux 7\.3") as caught:
        plan(used, PERCPU_DATA=False)
    assert "program 'entry' uses variables in '.percpu.cfg'" in str(caught.value)


def test_read_only_data_is_bound_where_the_kernel_can() -> None:
    assert not any(isinstance(step, BindMap) for step in plan(built("globals"), PROG_BIND_MAP=False).steps)


def test_an_attach_type_that_is_optional_is_dropped_on_old_kernels() -> None:
    optional = ObjectWriter().function("entry", EXIT, section="cgroup_skb/egress")
    needed = ObjectWriter().function("entry", EXIT, section="cgroup/bind4")
    assert one_program(optional).expected_attach_type is AttachType.CGROUP_INET_EGRESS
    assert one_program(optional, EXP_ATTACH_TYPE=False).expected_attach_type is None
    assert one_program(needed, EXP_ATTACH_TYPE=False).expected_attach_type is AttachType.CGROUP_INET4_BIND


@pytest.mark.parametrize("section", ["xdp", "kprobe/f"])
def test_the_version_is_the_files_or_else_the_kernels(section: str) -> None:
    for version, expected in ((None, 0x060C03), (0x040404, 0x040404)):
        file = ObjectWriter(version=version).function("entry", EXIT, section=section)
        assert one_program(file).kernel_version == expected


def test_for_kprobes_the_version_is_the_kernels_where_the_kernel_compares_them() -> None:
    old = replace(target(), release="4.19.0", kernel_version=0x041300)
    for section, expected in (("xdp", 0x040404), ("kprobe/f", 0x041300)):
        file = ObjectWriter(version=0x040404).function("entry", EXIT, section=section)
        (step,) = plan_object(open_object(file.build(), name="test"), old).programs()
        assert step.kernel_version == expected


def test_license_and_flags_are_the_files() -> None:
    step = one_program(ObjectWriter(license="MIT").function("entry", EXIT, section="xdp.frags"))
    assert (step.license, step.flags, step.section) == ("MIT", 1 << 5, "xdp.frags")


def test_an_object_of_the_other_byte_order_is_refused() -> None:
    with pytest.raises(PlanError, match="the object is big-endian and the target little-endian"):
        plan(ObjectWriter("big").function("entry", EXIT, section="xdp"))


def test_a_section_that_tells_no_type_is_refused_with_near_names() -> None:
    with pytest.raises(PlanError) as caught:
        plan(ObjectWriter().function("entry", EXIT, section="tracepont/syscalls/x"))
    assert str(caught.value).startswith(
        "cannot prepare program 'entry': section name 'tracepont/syscalls/x' tells no program type\n  near: tracepoint"
    )
    assert "spec.with_program(name, section=...)" in str(caught.value)
    spec = open_object(ObjectWriter().function("entry", EXIT, section="own").build())
    (step,) = plan(spec.with_program("entry", section="xdp")).programs()
    assert step.expected_attach_type is AttachType.XDP


def test_a_struct_ops_program_that_no_map_refers_to_is_refused() -> None:
    with pytest.raises(PlanError, match="no struct_ops map that is made refers to it"):
        plan(ObjectWriter().function("entry", EXIT, section="struct_ops/init"))


def test_a_slot_of_a_program_that_is_not_loaded_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        plan(built("tailcall").with_programs("entry", "second"))
    assert str(caught.value) == (
        "slot 0 of map 'jumps' names program 'first', which is not loaded\n"
        "load 'first' too, or drop it from the map's values"
    )


@pytest.mark.parametrize(
    ("file", "holder", "too_few", "reason", "enough"),
    [
        ("map_in_map", "by_index", 3, "slot 3 of map 'by_index' holds map 'inner_b', and its max_entries is 3", 4),
        ("map_in_map", "by_index", 1, "slot 1 of map 'by_index' holds map 'inner_a', and its max_entries is 1", 4),
        ("tailcall", "jumps", 2, "slot 2 of map 'jumps' holds program 'second', and its max_entries is 2", 3),
    ],
)
def test_a_slot_beyond_max_entries_is_refused(file: str, holder: str, too_few: int, reason: str, enough: int) -> None:
    with pytest.raises(PlanError) as caught:
        plan(built(file).with_map(holder, max_entries=too_few))
    remedy = f"spec.with_map('{holder}', max_entries={enough}), or drop the slot from the map's values"
    assert str(caught.value) == f"{reason}\n{remedy}"
    assert plan(built(file).with_map(holder, max_entries=enough)).steps


def test_slots_of_a_hash_are_counted_because_their_numbers_are_keys() -> None:
    spec = built("map_in_map")
    outer = replace(spec.maps["by_key"], slots=((7, "inner_a"), (1000, "inner_b")))

    def sized(entries: int) -> ObjectSpec:
        return replace(spec, maps={**spec.maps, "by_key": replace(outer, max_entries=entries)})

    assert SetInnerMap("by_key", 1000, "inner_b", 8) in plan(sized(2)).steps
    with pytest.raises(PlanError, match="the values of map 'by_key' fill 2 slots, and its max_entries is 1"):
        plan(sized(1))
