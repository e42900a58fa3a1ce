"""struct_ops on the running kernel: loaded everywhere, registered in the VMs only.

A congestion control that is registered is everybody's on the machine, so on the machine's own kernel nothing is.
"""

import errno
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
from purebpf.btf import Btf, Kind, Struct
from purebpf.errors import KernelError, PlanError
from purebpf.syscall import objects
from purebpf.uapi import LinkType, MapType
from tests.kernel.conftest import IN_VM

AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
# The names that the object gives its tables.
LINKED, PLAIN = "purebpf_link", "purebpf_plain"
MEMBERS_OF_ASKED = ["on_request", "keep", "undo"]

BpfFile = Callable[[str], Path]


def available() -> list[str]:
    return AVAILABLE.read_text().split()


def test_tables_load_without_being_registered(bpf_object: BpfFile) -> None:
    before = available()
    with purebpf.load(bpf_object("struct_ops")) as loaded:
        assert list(loaded.maps) == [".bss", "linked", "plain"]
        assert set(loaded.programs) == {"counted_init", "half", "keep", "undo"}
        steps = {step.name: step for step in loaded.plan.maps()}
        for name, flags in (("linked", 1 << 13), ("plain", 0)):
            info = objects.map_info(loaded.maps[name].fileno())
            assert (info.type, info.value_size, info.map_flags) == (MapType.STRUCT_OPS, steps[name].value_size, flags)
            assert info.btf_vmlinux_value_type_id == steps[name].kernel_value_type
        for program in loaded.programs.values():
            assert program.info().attach_btf_id == next(loaded.plan.programs()).attach.btf_id
        assert available() == before


def test_a_table_of_another_flavour_loads_on_kernels_without_links(bpf_object: BpfFile) -> None:
    with purebpf.load(without_links(bpf_object)) as loaded:
        assert loaded.spec.maps["plain"].value_size != objects.map_info(loaded.maps["plain"].fileno()).value_size


def test_the_value_has_the_fds_of_the_programs_at_the_kernels_members(bpf_object: BpfFile) -> None:
    with purebpf.load(bpf_object("struct_ops")) as loaded:
        kernel = purebpf.running_target().require_btf("this test")
        value, data = _members(kernel, "bpf_struct_ops_tcp_congestion_ops"), _members(kernel, "tcp_congestion_ops")
        for name, shown in (("linked", LINKED), ("plain", PLAIN)):
            image = loaded.maps[name].value
            for member, program in (("init", "counted_init"), ("ssthresh", "half"), ("undo_cwnd", "undo")):
                at = value["data"] + data[member]
                assert int.from_bytes(image[at : at + 8], "little") == loaded.programs[program].fd
            at = value["data"] + data["name"]
            assert image[at : at + 16].rstrip(b"\0").decode() == shown


def _members(btf: Btf, name: str) -> dict[str, int]:
    type_id = btf.find_one(name, Kind.STRUCT)
    struct = btf[type_id] if type_id is not None else None
    assert isinstance(struct, Struct)
    return {member.name: member.bit_offset // 8 for member in struct.members}


def test_programs_are_loaded_as_the_maps_that_are_made_need_them(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("struct_ops"))
    only = spec.with_map("requested", autocreate=True)
    for name in ("linked", "plain"):
        only = only.with_map(name, autocreate=False)
    with purebpf.load(only) as loaded:
        assert sorted(loaded.programs) == sorted(MEMBERS_OF_ASKED)
        assert list(loaded.maps) == [".bss", "requested"]


def test_members_are_changed_before_the_load(bpf_object: BpfFile) -> None:
    spec = purebpf.open(bpf_object("struct_ops")).with_map("plain", autocreate=False)
    changed = spec.with_struct_ops("linked", init="other_init", name="purebpf_other", flags=1)
    with purebpf.load(changed) as loaded:
        assert "other_init" in loaded.programs
        assert "counted_init" not in loaded.programs
        assert b"purebpf_other" in loaded.maps["linked"].value
    with purebpf.load(spec.with_struct_ops("linked", init=None)) as loaded:
        assert sorted(loaded.programs) == ["half", "keep", "undo"]


def test_what_the_kernel_lacks_is_refused_before_anything_is_loaded(bpf_object: BpfFile) -> None:
    spec = without_links(bpf_object).with_map("requested", autocreate=True)
    with pytest.raises(PlanError, match="member 'not_in_any_kernel' holds program 'keep'"):
        purebpf.load(spec.with_struct_ops("requested", not_in_any_kernel="keep"))


if IN_VM:

    def test_a_table_without_a_link_is_registered_until_it_is_closed(bpf_object: BpfFile) -> None:
        with purebpf.load(without_links(bpf_object)) as loaded:
            with loaded.maps["plain"].attach() as registered:
                assert PLAIN in available()
                assert registered.info().type is None
                with pytest.raises(KernelError, match="registered already") as caught:
                    loaded.maps["plain"].attach()
                assert caught.value.errno == errno.EBUSY
                exchange(PLAIN)
                assert loaded.variables["inits"] >= 1
            assert PLAIN not in available()

    def test_a_link_registers_and_takes_another_table(bpf_object: BpfFile) -> None:
        spec = purebpf.open(bpf_object("struct_ops")).with_map("plain", autocreate=False)
        other = spec.with_struct_ops("linked", init="other_init")
        with purebpf.load(spec) as first, purebpf.load(other) as second:
            with first.maps["linked"].attach() as link:
                assert link.info().type is LinkType.STRUCT_OPS
                assert LINKED in available()
                exchange(LINKED)
                counted = first.variables["inits"]
                assert counted >= 1
                with pytest.raises(KernelError, match="one of that name is registered already"):
                    second.maps["linked"].attach()
                link.update(second.maps["linked"])
                exchange(LINKED)
                assert first.variables["inits"] == counted
                assert second.variables["inits"] >= 1000
            assert LINKED not in available()


def without_links(bpf_object: BpfFile) -> purebpf.ObjectSpec:
    return purebpf.open(bpf_object("struct_ops")).with_map("linked", autocreate=False)


def exchange(congestion: str) -> None:
    """A TCP connection that is controlled by the table of that name."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
        client.connect(server.getsockname())
        with server.accept()[0] as accepted:
            client.sendall(b"x" * 1000)
            assert accepted.recv(1000)
