"""Finding and describing objects: what is asked of the kernel and what is made of its answers."""

import errno
import struct
from typing import Any

import pytest

from purebpf.syscall import attrs, infos, objects
from purebpf.uapi import Command

Outputs = tuple[tuple[Any, ...], ...]


class Kernel:
    """Stands in for `bpf`: some objects by id, and infos by fd."""

    def __init__(self) -> None:
        self.ids = [3, 8, 21]
        self.info = b""
        self.paths: list[bytes] = []

    def __call__(self, command: int, attr: bytearray, inputs: Outputs = (), outputs: Outputs = ()) -> int:
        match command:
            case Command.PROG_GET_NEXT_ID | Command.LINK_GET_NEXT_ID:
                (after,) = struct.unpack_from("=I", attr)
                later = [number for number in self.ids if number > after]
                if not later:
                    raise FileNotFoundError(errno.ENOENT, "")
                struct.pack_into("=I", attr, attrs.BY_ID_NEXT_ID, later[0])
            case Command.OBJ_GET_INFO_BY_FD:
                buffer = outputs[0][1]
                buffer[: len(self.info)] = self.info
                struct.pack_into("=I", attr, attrs.INFO_INFO_LEN, len(self.info))
                for _offset, array in outputs[0][2]:
                    array[:] = bytes(range(1, len(array) + 1))
            case Command.OBJ_PIN | Command.OBJ_GET:
                self.paths.append(inputs[0][1])
                return 9
            case Command.TASK_FD_QUERY:
                outputs[0][1][:4] = b"do_x"
                struct.pack_into("=IIQQ", attr, attrs.TASK_FD_QUERY_PROG_ID, 5, 2, 0x10, 0xFFFF_8000_0000_0000)
                raise OSError(errno.ENOSPC, "")
        return 0


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(objects, "bpf", kernel)
    return kernel


def test_ids_are_walked_to_the_end(kernel: Kernel) -> None:
    assert list(objects.ids("prog")) == list(objects.ids("link")) == [3, 8, 21]


def test_map_info_names_every_field(kernel: Kernel) -> None:
    kernel.info = struct.pack("=IIIIII16s", 27, 5, 0, 0, 4096, 0, b"events")
    info = objects.map_info(3)
    assert (info.type, info.id, info.max_entries, info.name.rstrip(b"\0")) == (27, 5, 4096, b"events")


def test_an_older_kernels_shorter_struct_leaves_zeros(kernel: Kernel) -> None:
    kernel.info = struct.pack("=II", 6, 77)
    info = objects.prog_info(3)
    assert (info.type, info.id, info.nr_map_ids, info.run_cnt) == (6, 77, 0, 0)


def test_map_ids_of_a_program_come_from_its_array(kernel: Kernel) -> None:
    info = bytearray(infos.BPF_PROG_INFO.size)
    fields = infos.ProgInfo._make(infos.BPF_PROG_INFO.unpack(info))._replace(nr_map_ids=2)
    infos.BPF_PROG_INFO.pack_into(info, 0, *fields)
    kernel.info = bytes(info)
    assert objects.prog_map_ids(3) == struct.unpack("=2I", bytes(range(1, 9)))


def test_a_program_that_may_not_be_read_has_no_code(kernel: Kernel) -> None:
    assert objects.prog_xlated(3) == b""


def test_link_details_are_the_fields_of_its_variant() -> None:
    raw = bytearray(infos.BPF_LINK_INFO_SIZE)
    struct.pack_into("=IIi", raw, 16, 2, 0, -128)
    assert objects.link_details("netfilter", bytes(raw)) == {"pf": 2, "hooknum": 0, "priority": -128, "flags": 0}


def test_paths_end_in_a_zero_byte(kernel: Kernel) -> None:
    objects.obj_pin(3, b"/sys/fs/bpf/x")
    assert objects.obj_get(b"/sys/fs/bpf/x") == 9
    assert kernel.paths == [b"/sys/fs/bpf/x\0"] * 2


def test_a_probe_name_that_was_cut_is_no_failure(kernel: Kernel) -> None:
    assert objects.task_fd_query(pid=1, fd=2) == (5, 2, 0x10, 0xFFFF_8000_0000_0000, "do_x")
